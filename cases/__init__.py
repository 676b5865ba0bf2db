"""The pure core of Everpost: case definitions, workflow nets and the engine that runs them.

Nothing here does I/O, reads a clock or draws a random number: what goes in decides what comes out,
so the same code runs inside Temporal's replay, in a simulator and in a property test.

Read it in this order: `definitions` (what is written), `compile` (written states become a net),
`net` (places and tasks), `state` (where a case stands), `engine` (the token game), `outlook`
(what can happen next).
"""
