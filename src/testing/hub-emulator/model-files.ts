/**
 * Makes a realistic model repository of any size: real safetensors shards (header plus generated tensors), their
 * index, and the small files a model has. Deterministic by seed; costs no memory for the weights.
 */
import { bytesContent, type Content, concatContent } from './content.ts';
import { generatedContent } from './generated-content.ts';

export interface ModelFilesOptions {
  /** Of all shards together, headers included: exact. */
  readonly sizeBytes: number;
  /** Default 1. */
  readonly shards?: number;
  /** Default `anax`. */
  readonly seed?: string;
}

interface Tensor {
  readonly name: string;
  readonly dtype: 'BF16' | 'U8';
  readonly shape: readonly number[];
  readonly sizeBytes: number;
}

const HIDDEN = 4096;
const BF16_BYTES = 2;
const VOCABULARY = 8192;
/** A layer's tensors with their plausible share of its bytes. */
const LAYER_TENSORS = [
  ['self_attn.q_proj', 2],
  ['self_attn.k_proj', 1],
  ['self_attn.v_proj', 1],
  ['self_attn.o_proj', 2],
  ['mlp.gate_proj', 4],
  ['mlp.up_proj', 4],
  ['mlp.down_proj', 4],
] as const;
const LAYER_SHARES = LAYER_TENSORS.reduce((sum, [, share]) => sum + share, 0);
/** Space kept for a shard's header; the rest of it is spaces, as the format allows. */
const HEADER_BYTES_PER_TENSOR = 160;
const TARGET_LAYER_BYTES = 128 << 20;
const MAX_LAYERS_PER_SHARD = 64;

export function makeModelFiles(options: ModelFilesOptions): Record<string, Content> {
  const { sizeBytes, shards = 1, seed = 'anax' } = options;
  const layersPerShard = Math.max(
    1,
    Math.min(MAX_LAYERS_PER_SHARD, Math.round(sizeBytes / shards / TARGET_LAYER_BYTES)),
  );
  const files: Record<string, Content> = { '.gitattributes': bytesContent(GIT_ATTRIBUTES) };
  const weightMap: Record<string, string> = {};
  let totalSize = 0;
  for (let shard = 0; shard < shards; shard++) {
    const name =
      shards === 1 ? 'model.safetensors' : `model-${count(shard + 1)}-of-${count(shards)}.safetensors`;
    const start = Math.floor((sizeBytes * shard) / shards);
    const shardBytes = Math.floor((sizeBytes * (shard + 1)) / shards) - start;
    const made = makeShard(shardBytes, shard * layersPerShard, layersPerShard, `${seed}/${shard}`);
    files[name] = made.content;
    totalSize += made.tensors.reduce((sum, tensor) => sum + tensor.sizeBytes, 0);
    for (const tensor of made.tensors) weightMap[tensor.name] = name;
  }
  return { ...files, ...smallFiles(shards * layersPerShard, totalSize, weightMap, seed) };
}

function makeShard(
  shardBytes: number,
  firstLayer: number,
  layers: number,
  seed: string,
): { content: Content; tensors: Tensor[] } {
  const tensorCount = layers * LAYER_TENSORS.length + 1;
  const headerBytes = Math.ceil((tensorCount * HEADER_BYTES_PER_TENSOR + 64) / 8) * 8;
  const dataBytes = shardBytes - 8 - headerBytes;
  if (dataBytes < 0)
    throw new RangeError(`a shard needs at least ${8 + headerBytes} bytes, not ${shardBytes}`);
  const tensors = planTensors(dataBytes, firstLayer, layers);
  const header = Buffer.alloc(8 + headerBytes, ' ');
  header.writeBigUInt64LE(BigInt(headerBytes), 0);
  const written = header.write(JSON.stringify(headerJson(tensors)), 8);
  if (written > headerBytes) throw new Error('safetensors header does not fit');
  return {
    content: concatContent([bytesContent(header), generatedContent({ seed, sizeBytes: dataBytes })]),
    tensors,
  };
}

/** Tensors that fill `dataBytes` exactly: whole rows of the hidden size, and a last odd one for the rest. */
function planTensors(dataBytes: number, firstLayer: number, layers: number): Tensor[] {
  const tensors: Tensor[] = [];
  const layerBytes = dataBytes / layers;
  let used = 0;
  for (let layer = firstLayer; layer < firstLayer + layers; layer++) {
    for (const [part, share] of LAYER_TENSORS) {
      const rows = Math.floor((layerBytes * share) / LAYER_SHARES / (HIDDEN * BF16_BYTES));
      if (rows === 0) continue;
      const name = `model.layers.${layer}.${part}.weight`;
      tensors.push({ name, dtype: 'BF16', shape: [rows, HIDDEN], sizeBytes: rows * HIDDEN * BF16_BYTES });
      used += rows * HIDDEN * BF16_BYTES;
    }
  }
  const restBytes = dataBytes - used;
  const name = `model.layers.${firstLayer}.input_layernorm.weight`;
  if (restBytes > 0) tensors.push({ name, dtype: 'U8', shape: [restBytes], sizeBytes: restBytes });
  return tensors;
}

function headerJson(tensors: readonly Tensor[]): Record<string, unknown> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const { name, dtype, shape, sizeBytes } of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + sizeBytes] };
    offset += sizeBytes;
  }
  return header;
}

function smallFiles(
  layers: number,
  totalSize: number,
  weightMap: Record<string, string>,
  seed: string,
): Record<string, Content> {
  const json = (value: unknown): Content => bytesContent(`${JSON.stringify(value, null, 2)}\n`);
  return {
    'README.md': bytesContent(
      `---\nlicense: apache-2.0\n---\n\n# ${seed}\n\nA generated model for testing Anax.\n`,
    ),
    'config.json': json(modelConfig(layers)),
    'generation_config.json': json({
      bos_token_id: 1,
      eos_token_id: 2,
      do_sample: true,
      temperature: 0.7,
      top_p: 0.9,
    }),
    'model.safetensors.index.json': json({ metadata: { total_size: totalSize }, weight_map: weightMap }),
    'special_tokens_map.json': json({ bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' }),
    'tokenizer.json': json(tokenizer(seed)),
    'tokenizer_config.json': json({
      tokenizer_class: 'PreTrainedTokenizerFast',
      bos_token: '<s>',
      eos_token: '</s>',
    }),
  };
}

function modelConfig(layers: number): Record<string, unknown> {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: HIDDEN,
    intermediate_size: 14336,
    num_attention_heads: 32,
    num_hidden_layers: layers,
    num_key_value_heads: 8,
    vocab_size: VOCABULARY,
    torch_dtype: 'bfloat16',
  };
}

/** Some 200 KB, as a small tokenizer has; stays below the LFS threshold. */
function tokenizer(seed: string): Record<string, unknown> {
  const vocab: Record<string, number> = { '<unk>': 0, '<s>': 1, '</s>': 2 };
  for (let id = 3; id < VOCABULARY; id++) vocab[`${seed}-token-${id.toString(36)}`] = id;
  return {
    version: '1.0',
    added_tokens: [],
    pre_tokenizer: { type: 'Whitespace' },
    model: { type: 'WordLevel', vocab, unk_token: '<unk>' },
  };
}

function count(number: number): string {
  return String(number).padStart(5, '0');
}

const GIT_ATTRIBUTES =
  '*.safetensors filter=lfs diff=lfs merge=lfs -text\n*.bin filter=lfs diff=lfs merge=lfs -text\n';
