"""Each service's role may do what the statements of its program need, and nothing else.

Which statements a program has says its symbol table: what it does not call, the linker has
left out.  PostgreSQL itself says, statement by statement, whether the role may run it; and
each right is taken away once, which must be felt by one of them.
"""
import ast
import collections
import functools
import re
import subprocess

import pytest

from postgres_server import Server
from product import ADMIN, BUILD, ROOT, free_port

STATEMENT = re.compile(r'static struct db_statement (\w+)(?:\[\w+\])? = \{.*?\.name = ((?:"\w+"\s*)+),\s*'
                       r'\.sql =\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', re.S)
# Linked, and yet never called: (service, statement)
NEVER = {("smtp-ingress", "account_seen"): "logins to a mailbox are noted, which is IMAP"}

PARAMETER = re.compile(r"db_(int2|int4|int8|bool|text|bytes)(s?)\(|DB_(INT2|INT4|INT8|TEXT|BYTES)\b")
Statement = collections.namedtuple("Statement", "name sql types")


def arguments(text):
    """What stands between parentheses, the first of which is behind the text's beginning."""
    depth, parts = 1, [""]
    for c in text:
        depth += (c in "([{") - (c in ")]}")
        if depth == 0:
            return parts
        if c == "," and depth == 1:
            parts.append("")
        else:
            parts[-1] += c


def types(source, symbol, sql):
    """Of its parameters, as they are given where it is used; unknown: PostgreSQL finds out."""
    count = max(map(int, re.findall(r"\$(\d+)", sql)), default=0)
    use = re.search(rf"&{symbol}\b[^;]*?DB_PARAMS\(", source)
    found = [PARAMETER.search(a) for a in arguments(source[use.end():])] if use else []
    names = ["unknown" if m is None else
             (m[1] or m[3].lower()).replace("bytes", "bytea") + "[]" * bool(m[2]) for m in found]
    names = (names + ["unknown"] * count)[:count]
    return ["text[]" if f"cardinality(${i + 1})" in sql else n for i, n in enumerate(names)]


@functools.cache
def sources():
    """(file, symbol): statement.  Of an array, which has one for each day, the first."""
    found = {}
    for path in sorted((ROOT / "common/store").glob("[ms]*.c")):
        if path.stem.endswith("_test"):
            continue
        text = subprocess.run(["gcc", "-E", "-P", "-D_GNU_SOURCE", "-Icommon", "-I.",
                               f"-I{BUILD / 'generated'}", path], check=True, cwd=ROOT,
                              capture_output=True, text=True).stdout
        for symbol, name, quoted in STATEMENT.findall(text):
            sql = ast.literal_eval(f"({quoted})")
            found[path.name, symbol] = Statement(ast.literal_eval(f"({name})"), sql, types(path.read_text(), symbol, sql))
    assert len(found) > 100
    return found


def statements(service):
    lines = subprocess.run(["readelf", "-sW", BUILD / service], check=True, capture_output=True,
                           text=True).stdout.splitlines()
    file, found = None, []
    for words in (line.split() for line in lines):
        if len(words) == 8 and words[3] == "FILE":
            file = words[7]
        elif len(words) == 8 and words[3] == "OBJECT" and (file, words[7]) in sources():
            found.append(sources()[file, words[7]])
    assert len(found) > 2
    return found


def literal(text):
    return "'" + text.replace("'", "''") + "'"


HARNESS = r"""
\set QUIET on
\set ON_ERROR_STOP on
SET plan_cache_mode = force_generic_plan;
CREATE TEMP TABLE probe (name text, command text);
CREATE FUNCTION pg_temp.denied(role text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    p record;
BEGIN
    FOR p IN SELECT * FROM probe LOOP
        BEGIN
            EXECUTE format('SET LOCAL ROLE %I', role);
            EXECUTE p.command;
            EXECUTE 'RESET ROLE';
        EXCEPTION WHEN insufficient_privilege THEN
            RETURN NEXT p.name;
        END;
    END LOOP;
END $$;
"""


def probes(service):
    """PostgreSQL looks at the rights when it would run a plan, also for an EXPLAIN."""
    for n, s in enumerate(statements(service)):
        if s.sql.split()[0] in ("LOCK", "TRUNCATE"):
            yield f"INSERT INTO probe VALUES ({literal(s.name)}, {literal(s.sql)});"
            continue
        kinds = f"({', '.join(s.types)})" if s.types else ""
        values = f"({', '.join(['NULL'] * len(s.types))})" if s.types else ""
        yield f"PREPARE s{n} {kinds} AS {s.sql};"
        yield f"INSERT INTO probe VALUES ({literal(s.name)}, 'EXPLAIN EXECUTE s{n}{values}');"


@pytest.fixture(scope="module")
def server():
    s = Server("127.0.0.2", free_port())
    s.create()
    with s:
        s.sql("CREATE DATABASE postbus", "postgres")
        environment = {"POSTBUS_DATABASE_HOST": str(s.folder / "socket"), "POSTBUS_DATABASE_PORT": str(s.port),
                       "POSTBUS_DATABASE_USER": "postbus_owner"}
        subprocess.run([BUILD / "postbusctl", "migrate"], env=environment, check=True,
                       capture_output=True)
        yield s


def ask(server, service, *script):
    """The lines that the script gives behind the preparation of all the service's statements."""
    return server.script("\n".join([HARNESS, *probes(service), *script])).splitlines()


def role(service):
    return f"postbus_{service.replace('-', '_')}"


@pytest.mark.parametrize("service", ADMIN)
def test_each_statement_may_be_run(server, service):
    denied = ask(server, service, f"BEGIN; SELECT * FROM pg_temp.denied('{role(service)}'); ROLLBACK;")
    assert denied == [name for (s, name) in NEVER if s == service]


def rights(server, service):
    """(right, table) and (right (column), table); of the tables of bodies one stands for all."""
    found = server.sql(f"""
        SELECT privilege_type || '|' || relname || '|' FROM pg_class, aclexplode(relacl) a
        WHERE relnamespace = 'public'::regnamespace AND a.grantee = '{role(service)}'::regrole
        UNION ALL
        SELECT privilege_type || '|' || relname || '|' || attname
        FROM pg_attribute JOIN pg_class c ON c.oid = attrelid, aclexplode(attacl) a
        WHERE relnamespace = 'public'::regnamespace AND a.grantee = '{role(service)}'::regrole""")
    all_rights = {tuple(line.split("|")) for line in found.splitlines()}
    for right, table, column in all_rights:
        if table.startswith("body_"):
            assert (right, "body_00", column) in all_rights
        if not table.startswith("body_") or table == "body_00":
            yield (f"{right} ({column})" if column else right), table


@pytest.mark.parametrize("service", ADMIN)
def test_no_right_is_without_use(server, service):
    script, name = [], role(service)
    for right, table in sorted(rights(server, service)):
        script += ["BEGIN;", f"REVOKE {right} ON {table} FROM {name};",
                   f"SELECT '{right} ON {table}', count(*) - {sum(s == service for s, _ in NEVER)} "
                   f"FROM pg_temp.denied('{name}');", "ROLLBACK;"]
    answers = ask(server, service, *script)
    assert len(answers) > 0
    useless = [a.removesuffix("|0") for a in answers if a.endswith("|0")]
    assert not useless, "\n".join(useless)
