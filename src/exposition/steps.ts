/**
 * Work in steps of a few milliseconds at most, whatever the input: between any two of them other work may have its
 * turn. In the end it returns what it has made.
 */
export type Steps<T> = Generator<undefined, T>;
