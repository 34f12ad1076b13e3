"""The JSON schema of a RayJob, read off the Rust bindings of KubeRay's resources.

KubeRay publishes its schema as a file of a megabyte, most of it Kubernetes' pod template four times
over. The crate kcr_ray_io (0BSD) is generated from it, by kopium, with one struct for each object:

    cargo new /tmp/bindings && cd /tmp/bindings && cargo add kcr_ray_io && cargo vendor
    python tests/cluster/kuberay/schema_of_bindings.py \
        /tmp/bindings/vendor/kcr_ray_io/src/v1/rayjobs.rs > tests/cluster/kuberay/rayjob.schema.json

Pod templates and services stay plain objects, because Kubernetes' own schemas say what they hold.
"""

import json
import re
import sys
from pathlib import Path

SCALARS = {
    "String": {"type": "string"},
    "bool": {"type": "boolean"},
    "f64": {"type": "number"},
    "i32": {"type": "integer"},
    "i64": {"type": "integer"},
    "IntOrString": {"type": ["integer", "string"]},
}
KUBERNETES_OWN = re.compile(r"(Template|HeadService)$")
STRUCT = re.compile(r"^pub struct (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
ENUM = re.compile(r"^pub enum (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(
    r'(?:#\[serde\((?:.*?rename = "(?P<name>\w+)")?.*?\)\]\s+)?'
    r"pub (?P<rust>[\w#]+): (?P<type>.+),"
)
VARIANT = re.compile(r'(?:#\[serde\(rename = "(?P<name>.*?)"\)\]\s+)?(?P<rust>\w+),')
SOURCE = (
    "KubeRay's RayJob (custom resource ray.io/v1, Apache-2.0) as in the Rust crate kcr_ray_io {} "
    "(0BSD), made by schema_of_bindings.py. Pod templates and services are left to Kubernetes' own "
    "schemas. Limits on lengths and numbers, and rules between fields, are not in the bindings."
)


class Bindings:
    """The structs and enums of a file of bindings."""

    def __init__(self, text):
        self.structs = dict(STRUCT.findall(text))
        self.enums = dict(ENUM.findall(text))
        self.wanted = {}

    def of_type(self, rust):
        for wrapper, key, kind in (
            ("Vec", "items", "array"),
            ("BTreeMap", "additionalProperties", "object"),
        ):
            if inner := re.fullmatch(rf"{wrapper}<(?:String, )?(.+)>", rust):
                return {"type": kind, key: self.of_type(inner[1])}
        if rust in SCALARS:
            return SCALARS[rust]
        if KUBERNETES_OWN.search(rust):
            return {"type": "object"}
        if rust not in self.wanted:
            self.wanted[rust] = {}  # before its fields, which may lead back
            self.wanted[rust] = self.of_enum(rust) if rust in self.enums else self.of_struct(rust)
        return {"$ref": f"#/$defs/{rust}"}

    def of_enum(self, rust):
        found = VARIANT.finditer(self.enums[rust])
        return {"enum": [variant["name"] or variant["rust"] for variant in found]}

    def of_struct(self, rust):
        properties, required = {}, []
        for field in FIELD.finditer(self.structs[rust]):
            name = field["name"] or field["rust"].removeprefix("r#")
            optional = re.fullmatch(r"Option<(.+)>", field["type"])
            properties[name] = self.of_type(optional[1] if optional else field["type"])
            if not optional:
                required.append(name)
        known = {"type": "object", "additionalProperties": False, "properties": properties}
        return known | ({"required": required} if required else {})


def schema(text, version):
    bindings = Bindings(text)
    top = {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayJob"},
        "metadata": {"type": "object"},
        "spec": bindings.of_type("RayJobSpec"),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": SOURCE.format(version),
        "type": "object",
        "additionalProperties": False,
        "required": sorted(top),
        "properties": top,
        "$defs": bindings.wanted,
    }


if __name__ == "__main__":
    path = Path(sys.argv[1])
    manifest = (path.parents[2] / "Cargo.toml").read_text()
    version = re.search(r'^version = "(.+)"', manifest, re.MULTILINE)[1]
    sys.stdout.write(json.dumps(schema(path.read_text(), version), indent=1) + "\n")
