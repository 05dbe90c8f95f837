"""Made-up programming prose and code for the sample dump: a grammar that is filled at random, at memory speed.

Prose is built from words in three steps (word, phrase, sentence), so that two sentences that share a pattern share few
runs of five words. Inline markup is held as control characters until a block is rendered, once as HTML and once as
Markdown. Word frequencies follow Zipf's law within each class.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CODE, CODE_END, EMPHASIS, EMPHASIS_END, STRONG, STRONG_END = "\x01", "\x02", "\x03", "\x04", "\x05", "\x06"
LINK, LINK_TEXT, LINK_END = "\x10", "\x11", "\x12"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.replace("~", "\n") for line in text.strip("\n").split("\n"))


NOUNS = _words("""
function loop array request server thread list query table module parser response file token object class index
string buffer handler client cache stream session record process method column event database schema field header
config message queue worker socket key value pointer lock callback view form button widget page template route
service user model layer matrix vector frame node tree graph edge path branch commit build test fixture package
dependency compiler linker script shell variable constant type interface generator iterator promise container image
volume cluster job task scheduler timer clock counter logger log metric report plugin extension driver kernel
device signal exception error warning trace stack heap register segment block chunk batch shard partition
transaction cursor join subquery trigger constraint migration row cell sheet chart axis label texture shader pixel
window dialog menu listener observer adapter factory builder wrapper proxy gateway endpoint payload cookie
certificate permission role group folder archive checksum encoding charset locale timezone timestamp interval range
slice offset boundary margin layout grid selector stylesheet animation canvas sprite camera sensor packet codec
decoder encoder pipeline stage filter mapper reducer
""")
ADJECTIVES = _words("""
new old empty large small nested local global static dynamic remote shared private public invalid valid missing
wrong correct previous current final temporary default custom generic recursive asynchronous synchronous lazy
cached stale compressed encoded binary numeric sorted unsorted unique duplicate optional required hidden visible
disabled enabled external internal legacy modern simple complex slow fast expensive cheap immutable mutable partial
complete broken working raw escaped quoted unquoted single second third last inner outer upper lower primary
secondary parallel sequential persistent volatile nullable typed untyped signed unsigned portable deterministic
random
""")
VERBS = _words("""
parse load cache validate serialize render compile deploy fetch update remove convert return call create delete
merge sort replace rename append iterate initialize configure register resolve decode encode escape export import
inject invoke join limit link lock open close pass populate print process produce propagate raise receive refresh
reject release reload restart restore save scale schedule select serve share slice store subscribe test trace
transform trigger truncate unload upload use wait walk change check clone collect compare compute connect declare
define detect disable display download duplicate enable execute expand expose extend extract flatten flush handle
ignore inherit insert install instantiate mock monitor mount move
""")
ADVERBS = _words("""
only always never sometimes directly silently explicitly implicitly correctly already again twice manually
automatically locally randomly immediately eventually simply properly fully partially quietly repeatedly first
usually rarely safely lazily eagerly
""")
PREPOSITIONS = _words(
    """in from into with without for inside outside through before after against to between over behind"""
)
SYLLABLES = _words("""
ba ko ri mel tan vor lu sen dar qui fex nor pil zan tho wick mar dov el gru ham jax lor vi pra ske ton
""")
FIRST = _words("""
Ada Boris Carla Deepak Elena Farid Greta Hiro Ines Jonas Kavya Liam Mina Nadia Omar Petra Quentin Rosa Sven Tara
Umar Vera Wen Ximena Yusuf Zoe Anton Bianca Cem Dora Emil Freya Gael Hana Igor Jana Kofi Leila
""")
LAST = _words("""
Abara Bergholm Castelan Dvorsky Eklund Ferro Galanis Holmqvist Ishimori Jankovic Kessler Lindgarten Moravec
Nakagima Okonjo Petrosyan Quispel Rasmund Sandoval Tremblot Ulrichsen Vasquero Whitlow Xanthos Yilmar Zelenko
""")

STRINGS = [
    "not found",
    "done",
    "utf-8",
    "%Y-%m-%d",
    "id",
    "name",
    "value",
    "config.json",
    "data.csv",
    "yes",
    "text/html",
]

# Phrases from words: their pool, their number, and their patterns. `sg` is a singular subject.
PHRASES = (
    (
        "sg",
        6000,
        """the {adj} {noun}
the {noun} of the {noun}
this {adj} {noun}
each {noun}
my {noun} {noun}
the {adj} {noun} in the {noun}
that {noun}
every {adj} {noun}
the {noun} {prep} the {adj} {noun}
the {noun}""",
    ),
    (
        "np",
        8000,
        """{sg}
{sg}
{sg}
some {adj} {nouns}
all {nouns}
two {nouns}
several {adj} {nouns}""",
    ),
    (
        "vp",
        12000,
        """{verb} {np}
{verb} {np} {prep} {np}
{adv} {verb} {np}
{verb} the {noun} {prep} {np}
{verb} {np} and {verb} {np}
{verb} {adj} {nouns}""",
    ),
    (
        "ger",
        9000,
        """{ving} {np}
{ving} {np} {prep} {np}
{adv} {ving} the {noun}
{ving} {adj} {nouns}""",
    ),
    (
        "cl",
        16000,
        """{sg} {v3} {np}
{sg} is {adj}
{sg} is not {adj} {prep} {np}
the {noun} {adv} {v3} {np}
{sg} has already been {ved}
{sg} was {ved} {prep} the {noun}
it {v3} {np}
nothing {v3} {np}
the {noun} can not be {ved}
{sg} gets {ved} by {np}
there is no {adj} {noun} to {vp}
the {noun} should not {vp}
all {nouns} {verb} {np}""",
    ),
    (
        "when",
        8000,
        """after {ger}
when {cl}
before {ger}
while {cl}
at run time
on startup
as soon as {cl}
unless {cl}
in the {adj} {noun}
{prep} {np}
by {ger}""",
    ),
    (
        "when2",
        500,
        """the last {noun} update
this morning
the {adj} release
we added the {adj} {noun}""",
    ),
)

OPENINGS = _lines("""I am trying to {vp} in {lib} {ver}, but {cl} and {cl2}.
I have {np} which should {vp} {when}, and I expected that {cl}.
My {noun} uses {c} to {vp}, however {cl} whenever {cl2}.
We recently moved {np} from {lib} {oldver} to {lib} {ver} and now {cl}.
In the {proj} project we {vp} with {c}; after that {cl}.
For a small {noun} written in {lang} I need to {vp} without {ger}.
Since {when2} {cl}, and {c} does not {vp} any more.
Is there a way to {vp} in {lang} {when}?
Suppose that {np} is {adj} and {cl}; I want {c} to {vp}.
After reading about {np} I decided to {vp}, which means that {cl}.""")
DETAILS = _lines("""The {noun} called {c} is {adj} because {cl} {when}.
What confuses me is that {c} seems to {vp} although {cl}.
It takes about {num} seconds until {cl}, and then {cl2}.
When I {vp}, {cl} and {c} is {adj}.
The documentation of {lib} says that {c} will {vp}, yet {cl}.
If {cl} then {c} should {vp}, but in the {proj} setup {cl2}.
There are {num} instances of {np}, and each one has to {vp} {when}.
On the {adj} machine {cl}, while on {np} {cl2}.
I suspect that {ger} is the cause, as {cl}.
Both {c} and {c} {vp}, so {cl} {when}.
With {num} {nouns} {cl}; with {num} of them {cl2}.
{cl}, which is why {c} can not {vp}.
{c} is called {when}, and {cl} as a result.
My colleague at {proj} thinks that {cl}, but I see that {cl2}.""")
TRIED = _lines("""I tried {ger}, but {cl}.
{ger} did not help, because {cl} {when}.
Replacing {c} by {c} made no difference: {cl}.
Setting {c} to {num} only means that {cl}.
I also looked at {np}, where {cl}.
Running it with {lib} {oldver} instead shows that {cl}.""")
ASKS = _lines("""How can I {vp} so that {cl}?
Why does {c} {vp} {when}?
What is the {adj} way to {vp} if {cl}?
Should I {vp} or is {ger} enough?
Does anybody know whether {cl} when {c} has to {vp}?
Is {ger} the right approach, or will {cl}?
Any hint on how to {vp} would be welcome.
Which of {c} and {c} should {vp} here?""")
ANSWERS = _lines("""The reason is that {cl}, so {c} can not {vp}.
You need to {vp} before {cl}; otherwise {cl2}.
Use {c} instead of {c}, since {cl} {when}.
That happens because {lib} will {vp} {when}, and {cl}.
In {lib} {ver} the {noun} has changed: {cl}, and {c} has to {vp}.
I would {vp} first and {vp} later, because {cl}.
Instead of {ger} you can {vp}, as long as {cl}.
The {adj} {noun} is not the problem here; it is {c} that has to {vp}.
As far as I know {cl}, therefore {ger} is {adj}.
Note that {c} returns {np}, which is why {cl}.
If you can not {vp}, then {ger} with {c} is the next best thing.
I ran into this with {proj}, and {ger} solved it: {cl}.
Think of {c} as {np} that will {vp} {when}.
Make sure that {cl}, and that {c} is {adj} {when}.""")
ADVICE = _lines("""This also works if {cl}, but {ger} gets {adj}.
For {np} it is better to {vp} with {c}.
Keep in mind that {cl} {when}.
On {num} {nouns} this took {num} ms, and {ger} took {num} ms.
Another option is {ger}, although {cl}.
You may want to {vp} as well, in case {cl}.
See also how {proj} does it: {cl} and {cl2}.
Be careful with {ger}, because {cl} {when}.""")
LEADS = _lines("""Here is the part where {c} has to {vp}:
This is {np}, reduced to what matters:
The following {noun} shows how to {vp}:
My {noun} looks like this {when}:
Something like this should {vp}:
So the code that will {vp} becomes:
Then {vp} as follows:""")
TITLES = _lines("""How to {verb} {np} in {lang} when {cl}?
Why does {code} {vp}?
{lib} {ver}: {cl}
{err} when I {vp} with {lib}
Is it possible to {vp} without {ger}?
{code} does not {vp} {when}
Difference between {code} and {code2} {when}
What is the best way to {vp} with {lib}?""")
ITEMS = _lines("""{ger} {when}
{c} is {adj}, and {cl}
{vp} and {vp}
{np} with {num} {nouns}
only {c}, because {cl}""")
HEADINGS = _lines("""How to {vp}
When {cl}
{lib} {ver}
Update
What happens {when}
Using {code}""")
COMMENTS = _lines("""Did you try to {vp} {when}?
Thanks, {ger} fixed it, and now {cl}.
This does not work for me in {lib} {ver}: {cl}.
Can you show {c} and say whether {cl}?
Which version of {lib} is that? In {oldver} {cl}.
I think that {c} should {vp}, because {cl}.
+1 for {ger}, I did not know that {cl}.
What is {c} here, and why does it {vp}?
Good answer, although {cl} if {c} is {adj}.
That is not {adj}: {cl} {when}.
Please add the {noun} which has to {vp}; right now {cl}.
See [{proj}](https://{projlow}.example.org/{num}) for how to {vp}.
Yes, *{adj}* {nouns} {vp} when {cl}.
It is **{adj}** to {vp} there, since {cl}.""")
ERRORS = _lines("""{err}: {noun} {code} is {adj}~    at {f} ({file}:{num})~    at {f} ({file}:{num})
{file}:{num}: error: {code} was not {adj} here
[{num}] {err}: can not {vp}~  in {f}, line {num}~  in {f}, line {num}""")


@dataclass(frozen=True)
class Language:
    """A programming language of the sample: names, and patterns of code with the slots of `Speaker`."""

    tag: str
    lexer: str
    title: str
    snake: bool
    libraries: tuple[str, ...]
    errors: tuple[str, ...]
    extension: str
    heads: tuple[str, ...]
    foot: str
    statements: tuple[str, ...]
    prelude: tuple[str, ...] = ()


# In patterns `~` is a newline; statements are indented once more under their head.
LANGUAGES = (
    Language(
        "python",
        "py",
        "Python",
        True,
        ("pandas", "numpy", "django", "flask", "asyncio", "sqlalchemy"),
        ("TypeError", "KeyError", "ValueError", "AttributeError"),
        "py",
        _lines("def {f}({v}, {v}={n}):\ndef {f}(self, {v}):\nasync def {f}({v}, *, {v}=None):\nclass {t}:"),
        "",
        _lines('''{v} = {f}({v}, {v})
for {v} in {v}:~    {v}.append({f}({v}))
if not {v}:~    raise {err}("{s} " + str({v}))
with open({v}, "{s}") as {v}:~    {v} = {v}.read()
{v} = [{f}({v}) for {v} in {v} if {v} > {n}]
try:~    {v} = {v}["{s}"]~except {err}:~    {v} = {n}
{v}["{s}"] = {v} or {n}
return {v}.{f}({v})
print(f"{s} {{v}}")
{v}, {v} = {v}.split("{s}", {n})
# {cm}
while len({v}) < {n}:~    {v} += {f}({v})
{v} = {"{s}": {v}, "{s}": {n}}
assert {v} is not {v}, "{s}"'''),
        _lines("import {lib}\nfrom {lib} import {t}\n@{lib}.{v}"),
    ),
    Language(
        "javascript",
        "js",
        "JavaScript",
        False,
        ("react", "express", "jquery", "lodash", "vue", "webpack"),
        ("TypeError", "ReferenceError", "RangeError"),
        "js",
        _lines("function {f}({v}, {v}) {\nconst {f} = async ({v}) => {\nexport default function {t}({v}) {"),
        "}",
        _lines("""const {v} = {v}.map(({v}) => {f}({v}, {n}));
if (!{v}.{v}) {~  throw new {err}('{s}');~}
let {v} = await {f}(`{s}/${{v}}`);
for (const {v} of {v}) {~  {v}.push({v});~}
{v}.addEventListener('{s}', ({v}) => {f}({v}));
return { {v}: {f}({v}), {v}: {n} };
console.log('{s}', {v}, {v});
const { {v}, {v} } = {v};
setTimeout(() => {f}({v}), {n});
// {cm}
{v} = {v} === {n} ? {v} : '{s}';
document.querySelector('#{v}').value = {f}({v});"""),
        _lines("import {t} from '{lib}';\nconst {v} = require('{lib}');"),
    ),
    Language(
        "java",
        "java",
        "Java",
        False,
        ("spring", "hibernate", "junit", "maven", "jackson"),
        ("NullPointerException", "ClassCastException", "IOException"),
        "java",
        _lines("public {t} {f}({t} {v}, int {v}) {\n@Override~protected void {f}({t} {v}) throws {err} {"),
        "}",
        _lines("""{t} {v} = new {t}({v}, {n});
List<{t}> {v} = new ArrayList<>();
for ({t} {v} : {v}.{f}()) {~    {v}.add({v}.{f}({n}));~}
if ({v} == null || {v}.{f}() > {n}) {~    throw new {err}("{s}");~}
{v}.put("{s}", {v}.{f}());
System.out.println("{s} " + {v});
return {v}.stream().map({t}::{f}).collect(Collectors.toList());
// {cm}
try ({t} {v} = {f}({v})) {~    {v}.{f}({v});~}
final String {v} = String.format("{s}", {v}, {v});
this.{v} = {v};
int {v} = {v}.{f}() + {n};"""),
        _lines("import org.{lib}.{t};\npackage org.{lib}.{v};"),
    ),
    Language(
        "c#",
        "cs",
        "C#",
        False,
        ("entity-framework", "wpf", "linq", "asp.net-core", "xamarin"),
        ("InvalidOperationException", "NullReferenceException"),
        "cs",
        _lines("public async Task<{t}> {f}({t} {v})~{\nprivate static void {f}(string {v}, int {v})~{"),
        "}",
        _lines("""var {v} = await {f}({v}, {n});
foreach (var {v} in {v}.{f}())~{~    {v}.Add({v});~}
if (string.IsNullOrEmpty({v})) throw new {err}("{s}");
var {v} = {v}.Where(x => x.{t} > {n}).Select(x => x.{t}).ToList();
using (var {v} = new {t}({v}))~{~    {v}.{f}({v});~}
public {t} {t} { get; set; }
Console.WriteLine($"{s} {{v}}");
return {v} ?? new {t} { {t} = {n} };
// {cm}
{v}["{s}"] = {v}.{f}({v});"""),
        _lines("using System.{t};\nnamespace {t}.{t};"),
    ),
    Language(
        "c++",
        "cpp",
        "C++",
        True,
        ("boost", "qt", "opencv", "eigen", "cmake"),
        ("std::bad_alloc", "segmentation fault", "std::out_of_range"),
        "cpp",
        _lines("template <typename T>~{t} {f}(const T& {v}, size_t {v}) {\nint {f}(int argc, char** argv) {"),
        "}",
        _lines("""std::vector<{t}> {v}({n});
for (size_t i = {n}; i < {v}.size(); ++i) {~    {v}[i] = {f}({v}[i], {v});~}
auto {v} = std::make_unique<{t}>({v}, {n});
if ({v} != nullptr && {v}->{f}() < {n}) return {v};
std::cout << "{s}" << {v} << std::endl;
{t}* {v} = static_cast<{t}*>({v});
std::lock_guard<std::mutex> {v}({v}_mutex);
const auto& [{v}, {v}] = {f}({v});
// {cm}
{v}.emplace_back(std::move({v}), {n});
std::sort({v}.begin(), {v}.end(), [](const {t}& a, const {t}& b) { return a.{v} < b.{v}; });
while ({v} >> {v}) {v} |= 1u << {n};"""),
        _lines("#include <{lib}/{v}.h>\nusing namespace {lib};"),
    ),
    Language(
        "sql",
        "sql",
        "SQL",
        True,
        ("postgresql", "mysql", "sqlite", "oracle"),
        ("ORA-00904", "syntax error", "deadlock detected"),
        "sql",
        _lines("SELECT {v}, COUNT(*) AS {v}\nCREATE TABLE {v} (~    {v} INTEGER PRIMARY KEY,\nWITH {v} AS ("),
        ";",
        _lines("""SELECT {v}, {v}, MAX({v}) FROM {v} GROUP BY {v}, {v}
LEFT JOIN {v} ON {v}.{v} = {v}.{v}
WHERE {v} > {n} AND {v} LIKE '%{s}%'
ORDER BY {v} DESC, {v} LIMIT {n}
UPDATE {v} SET {v} = {v} + {n} WHERE {v} = '{s}';
INSERT INTO {v} ({v}, {v}) VALUES ({n}, '{s}');
CREATE INDEX {v}_idx ON {v} ({v}, {v});
-- {cm}
HAVING SUM({v}) BETWEEN {n} AND {n}
COALESCE({v}, {n}) AS {v},
{v} VARCHAR({n}) NOT NULL DEFAULT '{s}',"""),
    ),
    Language(
        "go",
        "golang",
        "Go",
        False,
        ("gin", "gorm", "cobra", "grpc"),
        ("panic", "deadlock", "nil pointer dereference"),
        "go",
        _lines("func {f}({v} *{t}, {v} int) ({t}, error) {\nfunc ({v} *{t}) {f}(ctx context.Context) error {"),
        "}",
        _lines("""{v}, err := {f}({v}, {n})~if err != nil {~	return fmt.Errorf("{s}: %w", err)~}
for _, {v} := range {v} {~	{v} = append({v}, {v})~}
{v} := make(map[string]{t}, {n})
go {f}(ctx, {v}, {v})
defer {v}.{t}()
select {~case {v} := <-{v}:~	{f}({v})~case <-time.After({n}):~	return nil, ctx.Err()~}
{v}["{s}"] = {t}{{t}: {v}, {t}: {n}}
// {cm}
fmt.Printf("{s} %d", {v})
if len({v}) > {n} {~	{v} = {v}[:{n}]~}"""),
        _lines('import "github.com/{lib}/{v}"\npackage {v}'),
    ),
    Language(
        "bash",
        "bash",
        "Bash",
        True,
        ("docker", "git", "awk", "systemd", "kubernetes"),
        ("command not found", "permission denied", "exit status 1"),
        "sh",
        _lines("#!/bin/bash~{f}() {\nset -euo pipefail~function {f} {"),
        "}",
        _lines("""for {v} in $(ls {v}/*.{s}); do~  {f} "${v}" >> {v}.log~done
if [ -z "${v}" ]; then~  echo "{s}" >&2~  exit {n}~fi
{v}=$(grep -c "{s}" {v}.txt | sort -n | head -{n})
docker run --rm -v {v}:/{v} {v}:{n} {f}
git log --oneline -{n} -- {v}/{v}
awk -F, '{ print ${n}, $2 }' {v}.csv > {v}.tmp
curl -s "https://example.org/{v}?{v}={n}" | jq .{v}
# {cm}
export {v}="{s}:${{v}}"
find {v} -name "{v}*" -mtime +{n} -exec {f} {} \\;"""),
    ),
    Language(
        "css",
        "css",
        "CSS",
        False,
        ("bootstrap", "sass", "tailwind"),
        ("invalid property", "unknown rule"),
        "css",
        _lines(".{v} > .{v} {\n#{v} .{v}:hover {\n@media (min-width: {n}px) {"),
        "}",
        _lines("""margin: {n}px auto {n}px;
background: url("{v}.png") no-repeat {n}px {n}px;
transition: {v} {n}ms ease-in-out;
grid-template-columns: repeat({n}, minmax({n}px, 1fr));
/* {cm} */
.{v} { width: calc(100% - {n}px); z-index: {n}; }
font: {n}px/{n}px "{s}", sans-serif;
--{v}: {n}rem;
color: var(--{v}, #{n});
padding: {n}px {n}px 0 {n}em;"""),
    ),
)
TAGS = (
    *sorted({lang.tag for lang in LANGUAGES} | {name for lang in LANGUAGES for name in lang.libraries}),
    *_words("""algorithm arrays regex multithreading unit-testing performance json xml date sorting recursion security
linux windows macos encoding unicode logging http oop debugging"""),
)


def _parts(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(line.split("|")) for line in text.split("\n"))


# Subjects, verbs, objects and endings of other natural languages; a sentence is one of each.
FOREIGN = {
    "de": _parts("""Der Server|Mein Programm|Die neue Klasse|Das Skript|Unser Dienst|Die Funktion
findet nicht|liest langsam|schreibt immer|verliert manchmal|prüft zuerst|braucht noch
die Datei|den letzten Eintrag|eine Verbindung|alle Zeilen der Tabelle|den richtigen Schlüssel
seit dem Update.|wenn ich es starte.|obwohl alles stimmt.|und ich weiß nicht warum."""),
    "es": _parts("""El servidor|Mi programa|La nueva clase|Esta función|Nuestro servicio
no encuentra|lee despacio|siempre escribe|a veces pierde|necesita todavía
el archivo|la última entrada|una conexión|todas las filas de la tabla|la clave correcta
desde la actualización.|cuando lo ejecuto.|aunque todo está bien.|y no sé por qué."""),
    "fr": _parts("""Le serveur|Mon programme|La nouvelle classe|Cette fonction|Notre service
ne trouve pas|lit lentement|écrit toujours|perd parfois|vérifie d'abord
le fichier|la dernière entrée|une connexion|toutes les lignes du tableau|la bonne clé
depuis la mise à jour.|quand je le lance.|alors que tout est correct.|et je ne sais pas pourquoi."""),
    "pt": _parts("""O servidor|Meu programa|A nova classe|Esta função|Nosso serviço
não encontra|lê devagar|sempre escreve|às vezes perde|ainda precisa de
o arquivo|a última linha|uma conexão|todos os registros da tabela|a chave correta
desde a atualização.|quando eu executo.|embora tudo esteja certo.|e não sei por quê."""),
    "ru": _parts("""Сервер|Моя программа|Новый класс|Эта функция|Наш сервис
не находит|медленно читает|всегда пишет|иногда теряет|сначала проверяет
файл|последнюю запись|соединение|все строки таблицы|правильный ключ
после обновления.|когда я его запускаю.|хотя всё верно.|и я не знаю почему."""),
    "ar": _parts("""الخادم|برنامجي|الدالة الجديدة|هذه الوظيفة|خدمتنا
لا يجد|يقرأ ببطء|يكتب دائما|يفقد أحيانا|يحتاج إلى
الملف|آخر سجل|الاتصال|كل صفوف الجدول|المفتاح الصحيح
بعد التحديث.|عندما أشغله.|ولا أعرف لماذا.|مع أن كل شيء صحيح."""),
    "he": _parts("""השרת|התוכנית שלי|המחלקה החדשה|הפונקציה הזאת|השירות שלנו
לא מוצא|קורא לאט|תמיד כותב|לפעמים מאבד|צריך עדיין
את הקובץ|את הרשומה האחרונה|חיבור|את כל שורות הטבלה|את המפתח הנכון
מאז העדכון.|כשאני מריץ אותו.|ואני לא יודע למה.|למרות שהכול נכון."""),
}


def _inflect(verb: str, ending: str) -> str:
    if ending == "s":
        return verb + ("es" if verb.endswith(("s", "ss", "sh", "ch", "x")) else "s")
    return (verb[:-1] if verb.endswith("e") else verb) + ending


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def _compile(pattern: str) -> tuple[str, tuple[str, ...]]:
    """A pattern as a `%` format, and the names of its slots in order."""
    parts = re.split(r"\{(\w+)\}", pattern)
    return "%s".join(part.replace("%", "%%") for part in parts[::2]), tuple(parts[1::2])


class Speaker:
    """Fills patterns from pools of words. One speaker has one random stream; equal seeds give equal words."""

    def __init__(self, rng: random.Random) -> None:
        self.random = rng.random
        self.pools: dict[str, Sequence[str]] = {}
        self.compiled: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._words()
        self._phrases()
        self.vocabulary = {word for name in ("noun", "adj", "verb", "adv") for word in self.pools[name]}

    def _words(self) -> None:
        pools, random_ = self.pools, self.random

        def zipf(words: Sequence[str], size: int = 4096) -> list[str]:
            total = sum(1 / (rank + 3) for rank in range(len(words)))
            return [w for rank, w in enumerate(words) for _ in range(max(1, round(size / (rank + 3) / total)))]

        def shuffled(words: Sequence[str]) -> list[str]:
            return [word for _, word in sorted((random_(), word) for word in dict.fromkeys(words))]

        nouns, verbs = shuffled(NOUNS), shuffled(VERBS)
        pools["noun"], pools["adj"] = zipf(nouns), zipf(shuffled(ADJECTIVES))
        pools["verb"], pools["adv"] = zipf(verbs), zipf(ADVERBS)
        pools["v3"] = zipf([_inflect(verb, "s") for verb in verbs])
        pools["ved"] = zipf([_inflect(verb, "ed") for verb in verbs])
        pools["ving"] = zipf([_inflect(verb, "ing") for verb in verbs])
        pools["nouns"] = zipf([_plural(noun) for noun in nouns])
        pools["prep"] = PREPOSITIONS
        pools["proj"] = ["".join(self.some(SYLLABLES, 2 + int(random_() * 2))).title() for _ in range(4000)]
        pools["projlow"] = [name.lower() for name in pools["proj"]]
        pools["num"] = [str(n) for n in range(2, 1000)]
        pools["n"] = [str(n) for n in range(10)] * 20 + [str(n) for n in range(10, 4000, 3)]
        snake = shuffled([f"{a}_{b}" for a in nouns[:120] for b in nouns[:60]])[:5000] + nouns
        pools["snake"] = shuffled(snake)
        pools["snake_f"] = shuffled([f"{v}_{n}" for v in verbs for n in nouns])[:5000]
        pools["camel_f"] = [a + b.title() for a, b in (name.split("_") for name in pools["snake_f"])]
        pools["camel"] = [a + b.title() for a, _, b in (name.partition("_") for name in pools["snake"])]
        pools["type"] = shuffled([a.title() + b.title() for a in nouns for b in nouns[:40]])[:5000]

    def _phrases(self) -> None:
        pools = self.pools
        many = {name: (size, _lines(patterns)) for name, size, patterns in PHRASES}
        for name, (size, patterns) in many.items():
            pools[name] = [self.fill(self.pick(patterns), pools) for _ in range(size)]
        pools["cl2"] = pools["cl"]
        pools["cm"] = pools["vp"]
        pools["s"] = [*STRINGS, *pools["snake"][:200], *map(" ".join, zip(pools["adj"], pools["noun"], strict=False))]

    def pick(self, pool: Sequence[str]) -> str:
        """One of a pool."""
        return pool[int(self.random() * len(pool))]

    def some(self, pool: Sequence[str], count: int) -> list[str]:
        """Some of a pool, with repetition."""
        random_, size = self.random, len(pool)
        return [pool[int(random_() * size)] for _ in range(count)]

    def fill(self, pattern: str, pools: Mapping[str, Sequence[str]]) -> str:
        """A pattern with each slot drawn from the pool of its name."""
        compiled = self.compiled.get(pattern)
        if compiled is None:
            compiled = self.compiled[pattern] = _compile(pattern)
        random_ = self.random
        return compiled[0] % tuple([(pool := pools[slot])[int(random_() * len(pool))] for slot in compiled[1]])

    def topic(self) -> tuple[Language, dict[str, Sequence[str]]]:
        """A thread's language and its pools: the common ones, and the few names that the thread talks about."""
        language = LANGUAGES[int(self.random() ** 1.6 * len(LANGUAGES))]
        p = self.pools
        functions = self.some(p["snake_f" if language.snake else "camel_f"], 6)
        variables = self.some(p["snake" if language.snake else "camel"], 14)
        types = self.some(p["type"], 4)
        codes = [f"{name}()" for name in functions[:3]] + variables[:4] + types[:2]
        major, minor = 2 + int(self.random() * 9), int(self.random() * 12)
        topic: dict[str, Sequence[str]] = {
            **p,
            "v": variables,
            "f": functions,
            "t": types,
            "code": codes,
            "code2": codes[::-1],
            "c": [f"{CODE}{name}{CODE_END}" for name in codes],
            "lang": [language.title],
            "lib": [self.pick(language.libraries)],
            "err": language.errors,
            "ver": [f"{major}.{minor}"],
            "oldver": [f"{major - 1}.{minor + 1}"],
            "file": [f"{name.lower()}.{language.extension}" for name in variables[:3]],
        }
        return language, topic

    def sentence(self, patterns: Sequence[str], topic: Mapping[str, Sequence[str]]) -> str:
        """One sentence, its first letter raised."""
        text = self.fill(patterns[int(self.random() * len(patterns))], topic)
        first = text[0]
        return first.upper() + text[1:] if "a" <= first <= "z" else text

    def title(self, topic: Mapping[str, Sequence[str]]) -> str:
        """A question's title; the name of a function keeps its case."""
        text = self.fill(self.pick(TITLES), topic)
        return text if text.startswith(tuple(topic["code"])) else text[0].upper() + text[1:]

    def paragraph(self, patterns: Sequence[str], topic: Mapping[str, Sequence[str]], count: int) -> str:
        """Sentences, with an occasional emphasis or link among them."""
        sentences = [self.sentence(patterns, topic) for _ in range(count)]
        roll = self.random()
        if roll < 0.05:
            sentences[0] += f" {EMPHASIS}{self.sentence(ADVICE, topic)}{EMPHASIS_END}"
        elif roll < 0.09:
            sentences[-1] += f" {STRONG}{self.pick(topic['cl'])}{STRONG_END}."
        elif roll < 0.16:
            name = self.pick(topic["projlow"])
            sentences[-1] += (
                f" See {LINK}https://{name}.example.org/docs/{self.pick(topic['num'])}{LINK_TEXT}the {name}"
            )
            sentences[-1] += f" page{LINK_END}."
        return " ".join(sentences)

    def code(self, language: Language, topic: Mapping[str, Sequence[str]], count: int, indent: str = "    ") -> str:
        """A block of code: perhaps imports, a head, `count` statements and a foot; `indent` may be a tab."""
        lines = [self.fill(self.pick(language.prelude), topic)] if language.prelude and self.random() < 0.3 else []
        while count > 0:
            size = min(count, 2 + int(self.random() * 6))
            statements = [self.fill(self.pick(language.statements), topic) for _ in range(size)]
            if self.random() < 0.7:
                lines.append(self.fill(self.pick(language.heads), topic))
                lines.append(indent + "\n".join(statements).replace("\n", "\n" + indent))
                if language.foot:
                    lines.append(language.foot)
            else:
                lines += statements
            lines.append("")
            count -= size
        return "\n".join(lines)

    def foreign(self, language: str, count: int) -> str:
        """Sentences of another natural language."""
        parts = FOREIGN[language]
        return " ".join(" ".join(self.pick(part) for part in parts) for _ in range(count))


def name_of(user: int) -> str:
    """Display name of a user: a function of only the number, so that no table of users is kept."""
    mixed = (user * 2654435761) & 0xFFFFFFFF
    first, last = FIRST[mixed % len(FIRST)], LAST[(mixed >> 8) % len(LAST)]
    if mixed % 3 == 0:
        return f"{first} {last}"
    return f"{first.lower()}{user}" if mixed % 3 == 1 else f"{first}{last}{mixed % 97}"


@dataclass(frozen=True)
class Block:
    """A piece of a post: `kind` is p, code, quote, ul, ol, heading or rule; `text` has inline marks but in code."""

    kind: str
    text: str
    lexer: str | None = None


def html_inline(text: str) -> str:
    """A prose string as HTML."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if CODE in text:
        text = text.replace(CODE, "<code>").replace(CODE_END, "</code>")
    if EMPHASIS in text:
        text = text.replace(EMPHASIS, "<em>").replace(EMPHASIS_END, "</em>")
    if STRONG in text:
        text = text.replace(STRONG, "<strong>").replace(STRONG_END, "</strong>")
    if LINK in text:
        text = (
            text.replace(LINK, '<a href="').replace(LINK_TEXT, '" rel="nofollow noreferrer">').replace(LINK_END, "</a>")
        )
    return text


def markdown_inline(text: str) -> str:
    """A prose string as Markdown."""
    if CODE in text:
        text = text.replace(CODE, "`").replace(CODE_END, "`")
    if EMPHASIS in text:
        text = text.replace(EMPHASIS, "*").replace(EMPHASIS_END, "*")
    if STRONG in text:
        text = text.replace(STRONG, "**").replace(STRONG_END, "**")
    if LINK in text:
        text = re.sub(f"{LINK}(.*?){LINK_TEXT}(.*?){LINK_END}", r"[\2](\1)", text)
    return text


def plain_inline(text: str) -> str:
    """A prose string without its marks."""
    text = re.sub(f"{LINK}.*?{LINK_TEXT}", "", text) if LINK in text else text
    return re.sub("[\x01-\x06\x12]", "", text)


def render(blocks: Sequence[Block], modern: bool) -> tuple[str, str]:
    """HTML and Markdown of blocks. `modern`: no blank line between blocks of HTML (since 2020), and fenced code."""
    gap = "\n" if modern else "\n\n"
    html, markdown = [], []
    for block in blocks:
        kind, text = block.kind, block.text
        if kind == "p":
            html.append(f"<p>{html_inline(text)}</p>{gap}")
            markdown.append(markdown_inline(text))
        elif kind == "code":
            opening = f'<pre class="lang-{block.lexer} prettyprint-override">' if block.lexer else "<pre>"
            escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            html.append(f"{opening}<code>{escaped}\n</code></pre>{gap}")
            if modern and block.lexer:
                markdown.append(f"```{block.lexer}\n{text}\n```")
            else:
                hint = f"<!-- language: lang-{block.lexer} -->\n\n" if block.lexer else ""
                markdown.append(hint + "    " + text.replace("\n", "\n    "))
        elif kind == "quote":
            html.append(f"<blockquote>\n<p>{html_inline(text)}</p>\n</blockquote>{gap}")
            markdown.append("> " + markdown_inline(text))
        elif kind in ("ul", "ol"):
            items = text.split("\n")
            inner = "\n".join(f"<li>{html_inline(item)}</li>" for item in items)
            html.append(f"<{kind}>\n{inner}\n</{kind}>{gap}")
            marks = ["- "] * len(items) if kind == "ul" else [f"{i}. " for i in range(1, len(items) + 1)]
            markdown.append("\n".join(mark + markdown_inline(item) for mark, item in zip(marks, items, strict=True)))
        elif kind == "heading":
            html.append(f"<h2>{html_inline(text)}</h2>{gap}")
            markdown.append("## " + markdown_inline(text))
        else:
            html.append(f"<hr />{gap}")
            markdown.append("----------")
    body = "".join(html)
    return body[:-1] if gap == "\n\n" else body, "\n\n".join(markdown).replace("\n", "\r\n")


def plain(blocks: Sequence[Block]) -> str:
    """The visible text of blocks, a line break between them."""
    return "\n".join(block.text if block.kind == "code" else plain_inline(block.text) for block in blocks)
