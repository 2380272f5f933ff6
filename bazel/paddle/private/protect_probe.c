// A library for protect_test: it answers by a function that others may have too.
int Answer(void) { return ANSWER; }
int Ask(void) { return Answer(); }
