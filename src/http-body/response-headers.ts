/** Names in lower case; a header that comes several times is a list. */
export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;
