/** The conformance suite of the `Source` port, and what its users need to make fixtures. */
export { pathSegments } from './arbitraries.ts';
export { describeSource } from './describe-source.ts';
export { createFakeClock, type FakeClock } from './fake-clock.ts';
export type { AbsentUrl, FixtureFiles, MakeFixture, SeenRequest, SourceFixture } from './fixture.ts';
export { type PlainServer, startPlainServer } from './plain-server.ts';
export { sampleBytes } from './sample-files.ts';
