// Line plots as a self-contained SVG.

const panelWidth = 400;
const pictureHeight = 376;
const left = 58;
const right = 24;
const top = 106;
const bottom = 48;
const ink = "#1e2a3a";
const faint = "#5b6474";

/**
 * @param title describes the picture for screen readers.
 * @param series the lines: `name`, `color`, and whether it is `dashed`.
 * @param panels `title`, and in `lines` the points `[x, y]` of each series, which may be empty.
 * @param xTitle the title of the x axis.
 * @returns the SVG.
 */
export function plot({ title, series, panels, xTitle }) {
  const width = panels.length * panelWidth;
  const body = panels.map((panel, index) => drawPanel(panel, series, xTitle, index * panelWidth));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${pictureHeight}" font-family="Helvetica, Arial, sans-serif" font-size="13">
  <title>${title}</title>
  <rect width="${width}" height="${pictureHeight}" fill="#ffffff"/>
${drawLegend(series)}
${body.join("\n")}
</svg>
`;
}

function drawLegend(series) {
  return series
    .map(({ name, ...look }, index) => {
      const x = 20 + Math.floor(index / 2) * panelWidth;
      const y = 22 + (index % 2) * 22;
      return `  <path d="M${x} ${y}h32" ${stroke(look)}/>
  <text x="${x + 42}" y="${y + 4.5}" fill="${ink}">${name}</text>`;
    })
    .join("\n");
}

function drawPanel({ title, lines }, series, xTitle, offset) {
  const points = lines.flat();
  const xs = [...new Set(points.map(([x]) => x))].sort((a, b) => a - b);
  const ticks = ticksUpTo(Math.max(...points.map(([, y]) => y)));
  const width = panelWidth - left - right;
  const height = pictureHeight - top - bottom;
  const base = top + height;
  const toX = (x) => round(offset + left + (x / xs.at(-1)) * width);
  const toY = (y) => round(base - (y / ticks.at(-1)) * height);
  const grid = ticks.map(
    (tick) => `  <path d="M${offset + left} ${toY(tick)}h${width}" stroke="#e3e7ee"/>
  <text x="${offset + left - 8}" y="${toY(tick) + 4.5}" text-anchor="end" fill="${faint}">${tick}</text>`,
  );
  const marks = xs.map(
    (x) => `  <path d="M${toX(x)} ${base}v5" stroke="${faint}"/>
  <text x="${toX(x)}" y="${base + 19}" text-anchor="middle" fill="${faint}">${x}</text>`,
  );
  const drawn = lines.map((line, index) => {
    const path = line.map(([x, y], point) => `${point === 0 ? "M" : "L"}${toX(x)} ${toY(y)}`).join("");
    const dots = line.map(
      ([x, y]) => `<circle cx="${toX(x)}" cy="${toY(y)}" r="3.5" fill="${series[index].color}"/>`,
    );
    return line.length === 0 ? "" : `  <path d="${path}" ${stroke(series[index])}/>\n  ${dots.join("")}`;
  });
  return [
    `  <text x="${offset + 20}" y="84" fill="${ink}" font-weight="bold">${title}</text>`,
    ...grid,
    `  <path d="M${offset + left} ${base}h${width}" stroke="${faint}"/>`,
    ...marks,
    `  <text x="${offset + left + width / 2}" y="${base + 37}" text-anchor="middle" fill="${faint}">${xTitle}</text>`,
    ...drawn,
  ].join("\n");
}

function stroke({ color, dashed }) {
  return `fill="none" stroke="${color}" stroke-width="2.2"${dashed ? ' stroke-dasharray="6 4"' : ""}`;
}

/** Four to six round numbers, from 0 to at least `most`. */
function ticksUpTo(most) {
  const rough = most / 4;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * unit).find((size) => size >= rough);
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, index) => round(index * step));
}

function round(value) {
  return Number(value.toFixed(2));
}
