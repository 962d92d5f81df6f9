"""mutants: which mutations a C source of mmu/ allows, and one text that holds all of them at once.

Of each function that is mutated the text has one copy for each mutant beside the original, and the
original calls the copy whose number is in mmu_mutant: so mmu/ is compiled once for thousands of them. It also
marks in mmu_visited, by the number of its first mutant, that somebody came through it.
"""
import collections
import re

# ---- where a mutation may be -----------------------------------------------------------------

TOKEN = re.compile(r"""
    (?P<skip>/\*.*?\*/|//[^\n]*|^[ \t]*\#(?:\\\n|[^\n])*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\s+)
  | (?P<number>\d[0-9a-zA-Z_.]*)
  | (?P<word>[A-Za-z_]\w*)
  | (?P<op><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[-+*/%&|^~!<>=?:;,.(){}\[\]])
""", re.X | re.S | re.M)
Token = collections.namedtuple("Token", "kind text start end")
Mutant = collections.namedtuple("Mutant", "path function start end text what")

# Their arguments are checks or words for people, not what is done.
LEFT_ALONE = re.compile(r"assert|_Static_assert|log_\w+|panic|cpu_relax|mmu_assert\w*|sizeof|INTERLEAVE\w*")


def tokens_of(source):
    found, at = [], 0
    while at < len(source):
        m = TOKEN.match(source, at)
        if not m:
            raise SystemExit(f"mmu-mutate: what is {source[at:at + 20]!r}?")
        if m.lastgroup != "skip":
            found.append(Token(m.lastgroup, m[0], m.start(), m.end()))
        at = m.end()
    return found


def closing(tokens, i):
    """Index of the bracket that closes the one at @i."""
    pairs, depth = {"(": ")", "{": "}", "[": "]"}, 0
    opening, end = tokens[i].text, pairs[tokens[i].text]
    for j in range(i, len(tokens)):
        depth += (tokens[j].text == opening) - (tokens[j].text == end)
        if depth == 0:
            return j
    raise SystemExit("mmu-mutate: a bracket is not closed")


def function_name(declaration):
    """Its name, if these tokens before a '{' declare a function."""
    last = len(declaration) - 1
    while last >= 0 and declaration[last].text.isupper():
        last -= 1
    if last < 0 or declaration[last].text != ")":
        return None
    for i, token in enumerate(declaration[:-1]):
        if (token.kind == "word" and declaration[i + 1].text == "(" and not token.text.isupper()
                and token.text != "__attribute__"):
            return token.text
    return None


def functions(tokens):
    """(name, first token, first of the body, its closing brace) of each function."""
    i = begin = 0
    while i < len(tokens):
        text = tokens[i].text
        if text == "{":
            end = closing(tokens, i)
            name = function_name(tokens[begin:i])
            if name:
                yield name, begin, i + 1, end
                begin = end + 1
            i = end
        elif text == ";":
            begin = i + 1
        i += 1


# ---- which mutations there are ----------------------------------------------------------------

SWAPS = {
    "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"), "==": ("!=",),
    "!=": ("==",), "&&": ("||",), "||": ("&&",), "+=": ("-=",), "-=": ("+=",), "|=": ("&=",),
    "&=": ("|=",), "++": ("--",), "--": ("++",), "!": ("",), ">>=": ("<<=",), "<<=": (">>=",),
}
BINARY = {"+": "-", "-": "+", "/": "*", "%": "/", "&": "|", "|": "&", "^": "|", "<<": ">>",
          ">>": "<<", "*": "+"}
NAMES = {
    "true": "false", "false": "true", "LEVEL_4K": "LEVEL_2M", "LEVEL_2M": "LEVEL_4K",
    "LEVEL_1G": "LEVEL_2M", "MMU_DIRECT": "MMU_MIRROR", "MMU_MIRROR": "MMU_DIRECT",
    "SPTE_NONE": "SPTE_FROZEN", "SPTE_FROZEN": "SPTE_NONE", "MMU_BUILDING": "MMU_RUNNING",
    "MMU_RUNNING": "MMU_RELEASED", "MMU_RELEASED": "MMU_RUNNING", "MMU_WRITE": "MMU_READ",
    "POPULATION_LEAF": "POPULATION_TABLE", "POPULATION_TABLE": "POPULATION_LEAF",
    "MMU_AD_NONE": "MMU_AD_HARDWARE", "MMU_AD_HARDWARE": "MMU_AD_WRPROT",
    "ATTEMPT_SPLIT": "ATTEMPT_SETTLE", "ATTEMPT_SETTLE": "ATTEMPT_SPLIT",
    "ATTEMPT_AGAIN": "ATTEMPT_SPLIT",
}


def of_token(tokens, i):
    """Replacements of the token at @i."""
    token = tokens[i]
    before = tokens[i - 1] if i else None
    if token.kind == "op":
        if token.text in SWAPS:
            return SWAPS[token.text]
        if token.text in BINARY and before and (
                before.kind in ("number", "word") and before.text not in ("return", "case")
                or before.text in (")", "]")):
            if token.text != "*" or token.end + 1 == tokens[i + 1].start:
                return (BINARY[token.text],)
        return ()
    if token.kind == "number":
        try:
            value = int(token.text.rstrip("uUlL"), 0)
        except ValueError:
            return ()
        return ("1",) if value == 0 else ("0", "2") if value == 1 else (str(value + 1),)
    if token.text in NAMES:
        return (NAMES[token.text],)
    if re.fullmatch(r"E[A-Z]{3,}", token.text) and before.text == "-":
        return () if tokens[i - 2].text == "return" else ("0",)
    if re.fullmatch(r"(SPTE|MEMSLOT)_[A-Z_]+", token.text) and tokens[i + 1].text != "(":
        return ("0",)
    if re.fullmatch(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+", token.text) and tokens[i + 1].text != "(" and \
            not token.text.startswith(("__ATOMIC", "STEP_", "SPTE_IS_")) and before.text != "case":
        return (f"({token.text} + 1)",)
    return ()


def statements(tokens, first, end):
    """(first token, index of the ';') of each simple statement between @first and @end."""
    i = begin = first
    while i < end:
        text = tokens[i].text
        if text == "(":
            i = closing(tokens, i)
            if tokens[begin].text in ("if", "for", "while", "switch"):
                begin = i + 1
        elif text == "[":
            i = closing(tokens, i)
        elif text == "{" and i > begin and tokens[i - 1].text in ("=", ")") and \
                tokens[begin].text not in ("else", "do") and i != begin:
            i = closing(tokens, i)  # an initialiser
        elif text in ("{", "}", ":") or text in ("else", "do"):
            begin = i + 1
        elif text == ";":
            if i > begin:
                yield begin, i
            begin = i + 1
        i += 1


def is_declaration(tokens, first, end):
    words = [t.text for t in tokens[first:end]]
    if words[0] in ("const", "static", "struct", "enum", "unsigned", "int", "bool", "char"):
        return True
    return len(words) > 1 and re.fullmatch(r"[a-z_]\w*", words[0]) and (
        re.fullmatch(r"[a-z_]\w*", words[1]) or words[1] == "*" and "=" in words[:5])


def of_statements(tokens, first, end):
    """(start, end, replacement, what) for statements, conditions and calls."""
    for a, b in statements(tokens, first, end):
        text = tokens[a].text
        span = tokens[a].start, tokens[b].end
        if LEFT_ALONE.fullmatch(text) or text == "(" and tokens[a + 1].text == "void":
            continue
        if text == "return":
            if b > a + 1 and not (b == a + 2 and tokens[a + 1].text in ("0", "NULL", "false")):
                yield (*span, "return 0;", "return")
            elif b == a + 1:
                yield (*span, ";", "statement")
        elif not is_declaration(tokens, a, b):
            yield (*span, ";", "statement")
        equal = next((k for k in range(a, b) if tokens[k].text == "="), None)
        if equal and tokens[equal + 1].kind == "word" and tokens[equal + 2].text == "(" and \
                closing(tokens, equal + 2) == b - 1:
            yield tokens[equal + 1].start, tokens[b - 1].end, "0", "call"
    for i in range(first, end):
        if tokens[i].text in ("if", "while") and tokens[i + 1].text == "(":
            close = closing(tokens, i + 1)
            for value in ("true", "false") if tokens[i].text == "if" else ("false",):
                yield tokens[i + 2].start, tokens[close - 1].end, value, "condition"


def left_alone(tokens, first, end):
    """Indices of tokens that stay as they are."""
    alone = set()
    for i in range(first, end):
        if tokens[i].kind == "word" and tokens[i + 1].text == "(":
            if LEFT_ALONE.fullmatch(tokens[i].text):
                alone |= set(range(i, closing(tokens, i + 1) + 1))
            elif tokens[i].text == "__atomic_compare_exchange_n":  # weak or strong
                alone |= {k for k in range(i, closing(tokens, i + 1)) if tokens[k].text in ("true", "false")}
    return alone


def mutants_of(path, source):
    tokens, seen = tokens_of(source), set()
    for name, _, first, end in functions(tokens):
        alone = left_alone(tokens, first, end)
        spans = {(tokens[i].start, tokens[i].end) for i in alone}
        found = [(*m[:3], m[3]) for m in of_statements(tokens, first, end)
                 if not any(m[0] <= s < m[1] and (m[0], m[1]) == (s, e) for s, e in spans)]
        for i in range(first, end):
            if i not in alone:
                found += [(tokens[i].start, tokens[i].end, text, "token") for text in of_token(tokens, i)]
        for start, stop, text, what in sorted(found):
            if (start, stop, text) not in seen and source[start:stop] != text:
                seen.add((start, stop, text))
                yield Mutant(path, name, start, stop, text, what)


def said(mutant, source):
    """The mutant as one line: file: function: what was => what is."""
    begin = source.rfind("\n", 0, mutant.start) + 1
    end = source.find("\n", mutant.end)
    one = " ".join(source[begin:end].split())
    two = " ".join((source[begin:mutant.start] + mutant.text + source[mutant.end:end]).split())
    return f"{mutant.path}: {mutant.function}: {one} => {two}"


def names_of(mutants, texts):
    """{mutant: as said, with its number among those that read the same}."""
    seen, names = collections.Counter(), {}
    for mutant in sorted(mutants):
        name = said(mutant, texts[mutant.path])
        seen[name] += 1
        names[mutant] = name if seen[name] == 1 else f"{name} #{seen[name]}"
    return names


# ---- all of them in one text --------------------------------------------------------------------

def parameters(tokens, first, end):
    """Names of the parameters between these brackets."""
    names, begin, i = [], first + 1, first + 1
    while i <= end:
        if tokens[i].text == "(" and tokens[i + 1].text == "*":
            names.append(tokens[i + 2].text)  # a function's address
            while tokens[i].text != "," and i < end:
                i = closing(tokens, i) + 1 if tokens[i].text == "(" else i + 1
            begin = i + 1
        elif tokens[i].text == "[":
            i = closing(tokens, i)
        elif i == end or tokens[i].text == ",":
            words = [t.text for t in tokens[begin:i] if t.kind == "word"]
            if words not in ([], ["void"]):
                names.append(words[-1])
            begin = i + 1
        i += 1
    return names


def copy_of(source, declaration, body_end, name, mutant, number):
    """The function of @mutant, under a name of its own; its lines belong to a file mutant-NUMBER."""
    static = "" if any(t.text == "static" for t in declaration) else "static "
    head = source[declaration[0].start:name.start] + f"{name.text}__m{number}"
    body = source[name.end:mutant.start] + mutant.text + source[mutant.end:body_end]
    return f'\n#line 1 "mutant-{number}"\n{static}{head}{body}\n'


def multiplexed(path, source, numbered):
    """@source with a copy of its function for each (number, mutant); mmu_mutant says which one is called."""
    out = ["extern unsigned mmu_mutant; extern unsigned char mmu_visited[];\n", f'#line 1 "{path}"\n']
    tokens, at = tokens_of(source), 0
    for function, begin, first, end in functions(tokens):
        inside = [(n, m) for n, m in numbered if tokens[first - 1].start < m.start < tokens[end].end]
        if not inside:
            continue
        declaration = tokens[begin:first - 1]
        which = next(i for i, t in enumerate(declaration) if t.text == function and declaration[i + 1].text == "(")
        name, arguments = declaration[which], parameters(tokens, begin + which + 1,
                                                         closing(tokens, begin + which + 1))
        void = [t.text for t in declaration[:which]][-1] == "void"
        cases = "".join(
            f" case {n}: {'' if void else 'return '}{function}__m{n}({', '.join(arguments)});"
            f"{' return;' if void else ''}" for n, _ in inside)
        out += [source[at:declaration[0].start], source[declaration[0].start:tokens[first - 1].start], ";\n"]
        out += [copy_of(source, declaration, tokens[end].end, name, m, n) for n, m in inside]
        line = source.count("\n", 0, declaration[0].start) + 1
        out += [f'#line {line} "{path}"\n', source[declaration[0].start:tokens[first - 1].end],
                f" mmu_visited[{inside[0][0]}] = 1;"
                f" if (mmu_mutant - {inside[0][0]}u < {inside[-1][0] - inside[0][0] + 1}u)"
                f" switch (mmu_mutant) {{{cases} }}"]
        at = tokens[first - 1].end
    return "".join(out) + source[at:]
