"""The caps of the core: everything that a stranger can make large has its limit here."""

# A workflow reads its definition's text within one workflow task, to which Temporal grants 2 s: the
# worst text of this size found took 0.7 s to read, check and compile, and one of 10,000 tasks 0.4.
# As a payload it stays far below Temporal's 2 MB.
MAX_DOCUMENT_BYTES = 512 * 1024
MAX_DOCUMENT_DEPTH = 64
# More values than 512 KiB of JSON can hold: a definition's canonical text can always be read again.
MAX_DOCUMENT_NODES = 300_000
MAX_INTEGER = 2**63 - 1

MAX_STATES = 500
MAX_TRANSITIONS_PER_STATE = 100
MAX_DEADLINES_PER_STATE = 20
MAX_ACTIONS_PER_LIST = 50
MAX_LABELS = 200
MAX_KEYWORDS_PER_LABEL = 200
MAX_TEAMS = 100
MAX_ADDRESSES_PER_TEAM = 100
MAX_TEMPLATES = 200
MAX_ATTACHMENTS = 20
MAX_DATA_FIELDS = 500
MAX_EXAMPLE_EVENTS = 100

MAX_NAME_CHARS = 64
MAX_LINE_CHARS = 1_000
MAX_ADDRESS_CHARS = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets

MAX_CONDITION_DEPTH = 16
MAX_CONDITION_LEAVES = 256
MAX_LIST_CHOICES = 256
MAX_PATTERN_CHARS = 1_000
# RE2's time grows with text times pattern: 64 KiB of text took up to 470 ms with the worst pattern
# found, and Temporal grants a workflow task 2 s. With less memory `\pL{2,40}` would not compile.
MAX_PATTERN_MEMORY_BYTES = 1024 * 1024
MAX_PATTERN_TEXT_CHARS = 4 * 1024
MAX_PATTERNS_PER_CONDITION = 8
# To compile one takes up to 8 ms and 1 MiB.
MAX_PATTERNS = 500  # in a definition

# What a guard looks at of one value: a mail of 20 MB costs no more than one of this size.
MAX_GUARD_TEXT_CHARS = 64 * 1024
MAX_GUARD_ITEMS = 1_000
MAX_PATH_SEGMENTS = 16

MAX_DATA_BYTES = 64 * 1024
MAX_DATA_DEPTH = 16
MAX_DATA_NODES = 5_000

MAX_PROBLEMS = 100
MAX_SHOWN_CHARS = 200
MAX_SHOWN_ITEMS = 10
MAX_TRACED_LEAVES = MAX_CONDITION_LEAVES  # one guard always has room

# Firings in one step without an event of the outside in between: a loop that only routes would
# otherwise hold a workflow task beyond the two seconds that Temporal grants it. See budget.py.
MAX_AUTOMATIC_FIRINGS = 10_000
MAX_AUTOMATIC_FIRINGS_BEFORE = 1_000  # in cases of a core before LONG_STEPS
# What a step may look at. A place or task takes about 0.3 µs, a leaf of a guard with its
# explanation 4 µs, a pattern up to 1.5 ns for each instruction of its program at each character,
# once for the guard and once for its explanation.
MAX_VISITS = 1_000_000
VISITS_PER_LEAF = 12
INSTRUCTIONS_PER_VISIT = 400
# A token takes about 2 µs to make. To put the 20,000th thread's token into one place takes 50.
VISITS_PER_TOKEN = 4
VISITS_PER_THREAD = 49
# What a case may hold between two steps: tokens, threads, running tasks, undoable actions. A list
# of 10,000 items makes a token and a thread for each.
MAX_KEPT = 25_000
MAX_THREADS_DATA_BYTES = 1024 * 1024
# Events that nothing has taken yet, and the data of all events that a case speaks of.
MAX_WAITING = 5_000
MAX_EVENTS_BYTES = 8 * 1024 * 1024
# What one step may ask for, and the data that goes with it: Temporal's history of a run holds
# 51,200 events and 50 MB, and an action that was asked for takes up to six events.
MAX_ASKED = 5_000
MAX_ASKED_BYTES = 32 * 1024 * 1024

# The tasks and conditions notation.
MAX_NODES = 10_000  # in all nets of a definition
MAX_ARROWS = 1_000
MAX_NETS = 50
MAX_LOCKS = 100
MAX_WEIGHT = 1_000
# Threads of threads: a loop that splits and never merges would nest them without end.
MAX_THREAD_DEPTH = 50
# What a task holds is written out for each that cancels it: without a cap, a small text makes a
# huge net.
MAX_WITHDRAWN = 100_000
MAX_LOCKED = 20_000  # likewise, what is inside of all sections of all locks
MAX_INSTANCES = 10_000
MAX_COLLECTED = 20
MAX_DEPTH = 32
MAX_ATTEMPTS = 20
# Temporal takes 2,000 pending activities of a workflow.
MAX_WINDOW = 500
