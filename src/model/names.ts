import { isPathSegment, quoted } from "./path-segment.js";
import type { Identity } from "./target.js";

/** The properties that determine the names of a container. */
export interface ContainerFacts {
  /** The container's id in hexadecimal digits. The first twelve replace an invalid name. */
  readonly id: string;
  /** With or without the leading slash of the Engine API. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The node's name in GET /info. */
  readonly nodeHostname: string;
  /**
   * A valid name from the label `metrics.name`. It replaces all other names. Several containers of a node may have it:
   * unless they are replicas of a service, the name of the container distinguishes them.
   */
  readonly override?: string;
}

/** An identity, and one message per invalid label. */
export interface Naming {
  readonly identity: Identity;
  readonly problems: readonly string[];
}

interface Facts extends ContainerFacts {
  /** Adds a problem. */
  note(problem: string): void;
}

/**
 * Names a container by the first rule that applies: a task of a Swarm service, a container of a Compose project, any
 * other container. Every name and the replica are valid as one segment of a path. An invalid value is reported as a
 * problem, and the next rule applies.
 */
export function nameContainer(container: ContainerFacts): Naming {
  const problems: string[] = [];
  const facts = { ...container, note: (problem: string) => void problems.push(problem) };
  const ofService = nameSwarmTask(facts) ?? nameComposeContainer(facts);
  const identity = ofService ?? nameAlone(facts);
  const { override } = container;
  if (override === undefined) return { identity, problems };
  const replica = ofService?.replica ?? replicaOnNode(identity, facts);
  return { identity: { ...identity, replica, names: [override], job: override }, problems };
}

function nameSwarmTask(facts: Facts): Identity | undefined {
  const service = validLabel(facts, "com.docker.swarm.service.name");
  if (service === undefined) return undefined;
  const stack = facts.labels["com.docker.stack.namespace"];
  return {
    names: shortAndFull(withoutPrefix(service, stack), service),
    job: service,
    ...taskPosition(facts, service),
    ...(stack && { stack }),
  };
}

/**
 * The slot or the node in the task name: `<service>.<slot>.<task id>` for a replicated service,
 * `<service>.<node id>.<task id>` for a global one. Only the service may contain dots.
 */
function taskPosition(facts: Facts, service: string): Pick<Identity, "replica" | "scope"> {
  const taskName = facts.labels["com.docker.swarm.task.name"] ?? "";
  const rest = taskName.startsWith(`${service}.`) ? taskName.slice(service.length + 1) : "";
  const middle = rest.slice(0, Math.max(0, rest.lastIndexOf(".")));
  const isNode = middle !== "" && middle === facts.labels["com.docker.swarm.node.id"];
  if (!isNode && /^\d{1,19}$/.test(middle)) return { replica: middle, scope: "replicated" };
  if (!isNode && !/^[a-z0-9]{25}$/.test(middle)) {
    facts.note(
      `label com.docker.swarm.task.name=${quoted(taskName)} names neither a slot nor a node: ` +
        "treated as a task of a global service",
    );
  }
  return { replica: nodeSegment(facts), scope: "global" };
}

function nameComposeContainer(facts: Facts): Identity | undefined {
  // A one-off container (`docker compose run`) must not replace the real replica with the same number.
  if (facts.labels["com.docker.compose.oneoff"]?.toLowerCase() === "true") return undefined;
  const project = validLabel(facts, "com.docker.compose.project");
  const service = validLabel(facts, "com.docker.compose.service");
  if (project === undefined || service === undefined) return undefined;
  const full = `${project}_${service}`;
  if (!isPathSegment(full)) {
    facts.note(`the name of the Compose project and service is too long: ${quoted(full)}`);
    return undefined;
  }
  const number = facts.labels["com.docker.compose.container-number"] ?? "1";
  const isNumber = /^\d{1,19}$/.test(number);
  if (!isNumber) facts.note(`label com.docker.compose.container-number=${quoted(number)} is not a number`);
  return {
    names: shortAndFull(service, full),
    job: full,
    replica: `${nodeSegment(facts)}.${isNumber ? number : shortId(facts)}`,
    scope: "local",
    stack: project,
  };
}

function nameAlone(facts: Facts): Identity {
  const name = facts.name.replace(/^\//, "");
  const isValid = isPathSegment(name);
  if (!isValid) facts.note(`container name ${quoted(name)} cannot be one segment of a path`);
  const own = isValid ? name : shortId(facts);
  const project = facts.labels["com.docker.compose.project"];
  return {
    names: [own],
    job: own,
    replica: nodeSegment(facts),
    scope: "local",
    ...(project && { stack: project }),
  };
}

/** The node and the container, like the node and the number of a Compose container. */
function replicaOnNode({ job: name, replica: node }: Identity, facts: Facts): string {
  const replica = `${node}.${name}`;
  return isPathSegment(replica) ? replica : `${node}.${shortId(facts)}`;
}

function validLabel(facts: Facts, label: string): string | undefined {
  const value = facts.labels[label];
  if (value === undefined || isPathSegment(value)) return value;
  facts.note(`label ${label}=${quoted(value)} ignored: cannot be one segment of a path`);
  return undefined;
}

function nodeSegment(facts: Facts): string {
  const { nodeHostname } = facts;
  // The limit leaves space for the container number.
  if (isPathSegment(nodeHostname) && nodeHostname.length <= 128) return nodeHostname;
  facts.note(`the node's hostname ${quoted(nodeHostname)} cannot be one segment of a path`);
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

function shortId({ id }: ContainerFacts): string {
  return id.slice(0, 12);
}
