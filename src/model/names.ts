import { isPathSegment, quoted } from "./path-segment.js";
import type { Identity } from "./target.js";

/** What the names of a container come from. */
export interface ContainerFacts {
  /** The engine's id, in hexadecimal digits; its first twelve stand in where a name cannot be used. */
  readonly id: string;
  /** With or without the leading slash that the engine puts before it. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What the engine's `/info` calls this node. */
  readonly nodeHostname: string;
  /** A usable name from the label `metrics.name`: it replaces all others. */
  readonly override?: string;
}

/** An identity, and in words what its labels say that could not be used. */
export interface Naming {
  readonly identity: Identity;
  readonly problems: readonly string[];
}

/** Names without the override, which goes over every rule alike. */
type Rule = (facts: ContainerFacts, note: (problem: string) => void) => Identity | undefined;

/**
 * Names a container after the first rule that fits: a task of a Swarm service, a container of a Compose project,
 * any other container. Every name and the replica are usable as one segment of a path; what is not becomes a
 * problem and the next rule counts.
 */
export function nameContainer(facts: ContainerFacts): Naming {
  const problems: string[] = [];
  const note = (problem: string) => problems.push(problem);
  const identity = nameSwarmTask(facts, note) ?? nameComposeContainer(facts, note) ?? nameAlone(facts, note);
  const override = facts.override;
  return {
    identity: override === undefined ? identity : { ...identity, names: [override], job: override },
    problems,
  };
}

const nameSwarmTask: Rule = (facts, note) => {
  const service = usableLabel(facts, "com.docker.swarm.service.name", note);
  if (service === undefined) return undefined;
  const stack = facts.labels["com.docker.stack.namespace"];
  return {
    names: shortAndFull(withoutPrefix(service, stack), service),
    job: service,
    ...taskPosition(facts, service, note),
    ...(stack && { stack }),
  };
};

/**
 * Slot or node: the middle of the task name. A task of a replicated service is called
 * `<service>.<slot>.<task id>`, one of a global service `<service>.<node id>.<task id>`. A service's name may
 * contain dots, the other two parts never do.
 */
function taskPosition(
  facts: ContainerFacts,
  service: string,
  note: (problem: string) => void,
): Pick<Identity, "replica" | "scope"> {
  const taskName = facts.labels["com.docker.swarm.task.name"] ?? "";
  const rest = taskName.startsWith(`${service}.`) ? taskName.slice(service.length + 1) : "";
  const middle = rest.slice(0, Math.max(0, rest.lastIndexOf(".")));
  const isNode = middle !== "" && middle === facts.labels["com.docker.swarm.node.id"];
  if (!isNode && /^\d{1,19}$/.test(middle)) return { replica: middle, scope: "replicated" };
  if (!isNode && !/^[a-z0-9]{25}$/.test(middle)) {
    note(
      `label com.docker.swarm.task.name=${quoted(taskName)} names neither a slot nor a node: ` +
        "taken for a task of a global service",
    );
  }
  return { replica: nodeSegment(facts, note), scope: "global" };
}

const nameComposeContainer: Rule = (facts, note) => {
  // A one-off container (`docker compose run`) bears the number of a real replica, which it must not hide.
  if (facts.labels["com.docker.compose.oneoff"]?.toLowerCase() === "true") return undefined;
  const project = usableLabel(facts, "com.docker.compose.project", note);
  const service = usableLabel(facts, "com.docker.compose.service", note);
  if (project === undefined || service === undefined) return undefined;
  const full = `${project}_${service}`;
  if (!isPathSegment(full)) {
    note(`the Compose project and service make a name that is too long: ${quoted(full)}`);
    return undefined;
  }
  const number = facts.labels["com.docker.compose.container-number"] ?? "1";
  const isNumber = /^\d{1,19}$/.test(number);
  if (!isNumber) note(`label com.docker.compose.container-number=${quoted(number)} is no number`);
  return {
    names: shortAndFull(service, full),
    job: full,
    replica: `${nodeSegment(facts, note)}.${isNumber ? number : shortId(facts)}`,
    scope: "local",
    stack: project,
  };
};

function nameAlone(facts: ContainerFacts, note: (problem: string) => void): Identity {
  const name = facts.name.replace(/^\//, "");
  const usable = isPathSegment(name);
  if (!usable) note(`container name ${quoted(name)} cannot be one segment of a path`);
  const own = usable ? name : shortId(facts);
  const project = facts.labels["com.docker.compose.project"];
  return {
    names: [own],
    job: own,
    replica: nodeSegment(facts, note),
    scope: "local",
    ...(project && { stack: project }),
  };
}

function usableLabel(
  facts: ContainerFacts,
  label: string,
  note: (problem: string) => void,
): string | undefined {
  const value = facts.labels[label];
  if (value === undefined || isPathSegment(value)) return value;
  note(`label ${label}=${quoted(value)} is ignored: it cannot be one segment of a path`);
  return undefined;
}

function nodeSegment(facts: ContainerFacts, note: (problem: string) => void): string {
  // Leaves room for a number behind it.
  if (isPathSegment(facts.nodeHostname) && facts.nodeHostname.length <= 128) return facts.nodeHostname;
  note(`the node's hostname ${quoted(facts.nodeHostname)} cannot be one segment of a path`);
  return shortId(facts);
}

function withoutPrefix(service: string, stack: string | undefined): string {
  if (!stack || !service.startsWith(`${stack}_`)) return service;
  const short = service.slice(stack.length + 1);
  return isPathSegment(short) ? short : service;
}

function shortAndFull(short: string, full: string): readonly string[] {
  return short === full ? [full] : [short, full];
}

function shortId(facts: ContainerFacts): string {
  return facts.id.slice(0, 12);
}
