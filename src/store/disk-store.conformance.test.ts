import { blobStoreConformance } from '../testing/store-conformance/index.ts';
import { testFolder } from './testing-store.ts';

blobStoreConformance('the disk store', async () => {
  const folder = await testFolder();
  const store = await folder.open();
  return { store, outputs: folder.outputs, close: () => folder.close() };
});
