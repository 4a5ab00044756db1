"""A strict reader of OpenMetrics 1.0 text: whatever the specification forbids is an error."""
import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
META = re.compile(rf"# (HELP|TYPE|UNIT) ({NAME}) (.+)")
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?Inf|NaN")
SUFFIXES = {"counter": ("_total", "_created"), "gauge": ("",), "info": ("_info",),
            "histogram": ("_bucket", "_count", "_sum", "_created")}


class Invalid(AssertionError):
    """Where the text breaks a rule, and which."""


def number(text):
    if not NUMBER.fullmatch(text):
        raise Invalid(f"no number: {text}")
    return float(text)


def labels(text):
    found, at = [], 0
    while at < len(text):
        match = LABEL.match(text, at)
        if not match or (match[3] == "," and match.end() == len(text)):
            raise Invalid(f"labels: {text}")
        found.append((match[1], match[2]))
        at = match.end()
    if len({name for name, _ in found}) != len(found):
        raise Invalid(f"a label twice: {text}")
    return tuple(found)


class Family:
    def __init__(self, name):
        self.name, self.meta, self.samples = name, {}, {}

    def add(self, name, pairs, value):
        suffix = name.removeprefix(self.name)
        if suffix not in SUFFIXES.get(self.meta.get("TYPE"), ()):
            raise Invalid(f"{name} is no sample of a {self.meta.get('TYPE')} {self.name}")
        if (suffix, frozenset(pairs)) in {(s, frozenset(p)) for s, p in self.samples}:
            raise Invalid(f"{name} twice with the labels {pairs}")
        self.samples[suffix, pairs] = value

    def check(self):
        kind, unit = self.meta.get("TYPE"), self.meta.get("UNIT")
        if unit and not self.name.endswith("_" + unit):
            raise Invalid(f"{self.name} does not end in its unit {unit}")
        if re.search(r"\\(?![\\n\"])", self.meta.get("HELP", "")):
            raise Invalid(f"{self.name}: an escape in HELP")
        for (suffix, _), value in self.samples.items():
            if kind in ("counter", "histogram") and not 0 <= value < math.inf:
                raise Invalid(f"{self.name}{suffix} is {value}")
        if kind == "histogram":
            self.check_buckets()

    def check_buckets(self):
        series = {}
        for (suffix, pairs), value in self.samples.items():
            rest = frozenset(p for p in pairs if p[0] != "le")
            one = series.setdefault(rest, {"_bucket": []})
            if suffix == "_bucket":
                one[suffix].append((number(dict(pairs).get("le", "")), value))
            else:
                one[suffix] = value
        for rest, one in series.items():
            bounds, counts = [b for b, _ in one["_bucket"]], [v for _, v in one["_bucket"]]
            if bounds != sorted(set(bounds)) or bounds[-1:] != [math.inf]:
                raise Invalid(f"{self.name} {rest}: bounds {bounds}")
            if counts != sorted(counts) or counts[-1] != one.get("_count") or "_sum" not in one:
                raise Invalid(f"{self.name} {rest}: {one}")


def parse(text):
    """{family: Family}"""
    if not text.endswith("\n# EOF\n"):
        raise Invalid("no # EOF at the end")
    families, family = {}, Family("")
    for line in text[:-len("# EOF\n")].split("\n")[:-1]:
        meta, sample = META.fullmatch(line), SAMPLE.fullmatch(line)
        if meta:
            kind, name, value = meta.groups()
            if name != family.name:
                if name in families:
                    raise Invalid(f"{name} in two places")
                family = families[name] = Family(name)
            if kind in family.meta or family.samples:
                raise Invalid(f"{kind} of {name} twice, or after its samples")
            family.meta[kind] = value
        elif sample:
            family.add(sample[1], labels(sample[2] or ""), number(sample[3]))
        else:
            raise Invalid(f"neither metadata nor a sample: {line!r}")
    for family in families.values():
        family.check()
    return families


GOOD = """\
# HELP a First.
# TYPE a counter
a_total{x="1"} 3
a_total{x="\\"\\\\\\n"} 0
# TYPE c_seconds histogram
c_seconds_bucket{le="0.1"} 1
c_seconds_bucket{le="+Inf"} 2
c_seconds_count{} 2
c_seconds_sum{} 0.5
# EOF
"""
# What to replace in GOOD, and by what, to make it invalid.
WRONG = [("# EOF\n", ""), ("# EOF\n", "# EOF"), ("a_total{x=\"1\"} 3", "a{x=\"1\"} 3"),
         ("# TYPE a counter\n", ""), ("# TYPE a counter", "# TYPE a gauge"), ("} 3", "} -3"),
         ("} 3", "} x"), ("} 3", "} 3 "), ("x=\"1\"", "x=1"), ("x=\"1\"", "x=\"1\","),
         ("x=\"1\"", "x=\"1\",x=\"2\""), ("x=\"1\"", "x=\"\\t\""),
         ("x=\"1\"", "x=\"\\\"\\\\\\n\""), ("# TYPE c", "\n# TYPE c"),
         ("# TYPE c", "# HELP a Again.\n# TYPE c"), ("# EOF", "# TYPE a counter\n# EOF"),
         ("# EOF", "a_total{x=\"2\"} 1\n# EOF"), ("le=\"0.1\"} 1", "le=\"0.1\"} 3"),
         ("le=\"+Inf\"} 2", "le=\"+Inf\"} 3"), ("c_seconds_sum{} 0.5\n", ""),
         ("le=\"+Inf\"", "le=\"9\""), ("le=\"0.1\"", "le=\"+Inf\""), ("3\n", "3\r\n"),
         ("c_seconds_bucket{le=\"0.1\"}", "c_seconds_bucket")]
