// Nominal types over plain values: a branded string can only come from the function that checked it.

declare const brand: unique symbol;

/** `Value` that has been checked to be a `Name`. Costs nothing at run time. */
export type Brand<Value, Name extends string> = Value & { readonly [brand]: Name };
