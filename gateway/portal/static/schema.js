// What the gateway's OpenAPI document says of a request: which fields it has, and a value for each.

import { ask } from "./page.js";

const DEPTH = 6;
let loading = null;

// The document, or null where there is none: then everything is filled in by hand.
function load() {
  loading ??= ask("/openapi.json").catch(() => null);
  return loading;
}

// Parameters by place, and an example of a body, from each of the operations that are known.
export async function proposal(method, targets) {
  const found = { path: {}, query: {}, header: {}, body: undefined, known: false };
  let takesJson = false;
  const document = await load();
  for (const target of targets) {
    const item = document && itemAt(document, target);
    const operation = item?.[method.toLowerCase()];
    if (!operation) continue;
    found.known = true;
    for (const given of [...(item.parameters ?? []), ...(operation.parameters ?? [])]) {
      const parameter = resolved(document, given);
      const place = found[parameter.in];
      if (!place || parameter.name in place) continue;
      if (parameter.in === "path" || parameter.required) {
        place[parameter.name] = String(
          parameter.example ?? example(document, parameter.schema ?? {}) ?? "",
        );
      }
    }
    const media = jsonOf(document, operation);
    takesJson ||= media !== undefined;
    found.body ??= media && bodyOf(document, media);
  }
  if (takesJson) found.body ??= {};
  return found;
}

// The tag and the ID of the operation that the document has; null where it has none, and undefined
// where there is no document.
export async function documented(methods, target) {
  const document = await load();
  if (!document) return undefined;
  const item = itemAt(document, target);
  const operation = methods.map((method) => item?.[method]).find(Boolean);
  return operation?.tags?.length ? [operation.tags[0], operation.operationId] : null;
}

// Whatever its parameters are called.
function itemAt(document, target) {
  const plain = (path) => path.replace(/\{[^}]*\}/g, "{}");
  const path = Object.keys(document.paths ?? {}).find((one) => plain(one) === plain(target));
  return path && document.paths[path];
}

function jsonOf(document, operation) {
  return resolved(document, operation.requestBody ?? {}).content?.["application/json"];
}

// Undefined where anything is allowed, as of a Flask view that says nothing of its body.
function bodyOf(document, media) {
  const named = Object.values(media.examples ?? {})[0]?.value;
  const schema = resolved(document, media.schema ?? {});
  const told = Object.keys(schema).some((key) => !["title", "description"].includes(key));
  return media.example ?? named ?? (told ? example(document, schema) : undefined);
}

function resolved(document, node) {
  for (let steps = 0; node?.$ref && steps < DEPTH; steps += 1) {
    node = node.$ref
      .replace(/^#\//, "")
      .split("/")
      .reduce((at, key) => at?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], document);
  }
  return node ?? {};
}

// A value that a schema allows, as far as that is told by looking.
export function example(document, given, depth = 0) {
  const schema = resolved(document, given);
  const whole = schema.example ?? schema.examples?.[0] ?? schema.default ?? schema.const;
  if (whole !== undefined) return whole;
  if (schema.enum) return schema.enum[0];
  if (depth > DEPTH) return null;
  const choice = (schema.anyOf ?? schema.oneOf)?.find((one) => one.type !== "null");
  if (choice) return example(document, choice, depth + 1);
  if (schema.allOf) {
    return Object.assign({}, ...schema.allOf.map((one) => example(document, one, depth + 1)));
  }
  const type = [schema.type].flat().find((one) => one !== "null");
  if (type === "object" || schema.properties) {
    const properties = Object.entries(schema.properties ?? {});
    return Object.fromEntries(
      properties.map(([name, one]) => [name, example(document, one, depth + 1)]),
    );
  }
  if (type === "array") return schema.items ? [example(document, schema.items, depth + 1)] : [];
  if (type === "integer" || type === "number") {
    const least = schema.minimum ?? (schema.exclusiveMinimum ?? 0) + 1;
    // Nothing has the ID 0, which Flask's `int` allows.
    return least > 0 || schema.maximum < 1 ? least : 1;
  }
  if (type === "boolean") return false;
  return text(schema);
}

const FORMATS = {
  uuid: "00000000-0000-4000-8000-000000000000",
  date: "2026-01-31",
  "date-time": "2026-01-31T12:00:00Z",
  email: "somebody@example.com",
  uri: "https://example.com/",
};

function text(schema) {
  return (FORMATS[schema.format] ?? "text").padEnd(schema.minLength ?? 0, "x");
}
