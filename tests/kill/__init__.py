"""The kill test: processes die at named points and at random, and the ledgers balance."""
