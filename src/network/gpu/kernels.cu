// The recurrent network on a GPU: forward, backward and Adam.
//
// The same text is compiled for a GPU (kernels.ptx, by `make ptx`) and by a C++ compiler behind
// tests/emulated/cuda.h, where a block's threads take turns between its barriers. The equations are those of
// network/fused; every layer is padded to 32, 64, 96 or 128 units whose weights are zero and stay so.
//
// Rows are time-major: row t * sequences + s is step t of the window of sequence s. Rows behind the end of a
// sequence hold zeros, so that products over all rows need not ask. Sums over rows are made in chunks, and the
// chunks are added in their order: every byte is the same in every run, and no atomic operation is used.

enum { RNN, GRU, LSTM };

// What every kernel is given; src/network/gpu/pass.rs has the same fields in the same order.
struct Pass {
  unsigned long long seed;        // of the dropout masks
  double clip;                    // largest norm of a gradient
  double* losses;                 // (blocks of the head, 2): sums of losses and of weights
  double* totals;                 // loss, weight, and the norm of the gradient
  float* parameters;              // in the order of Architecture::slots, of the padded architecture
  float* first_moments;
  float* second_moments;
  float* gradient;
  float* sums;                    // sums over all rows, in the order of `parts`
  float* parts;                   // (chunks, sums of a chunk)
  float* table;                   // (V, G H): W_ih e_v + biases of the first layer
  float* transposed;              // (layers, H, G H): W_hh, transposed
  float* gates;                   // (layers, rows, K H): gates, then their gradients
  float* cells;                   // (layers, rows, H): c of an LSTM
  float* hidden;                  // (layers, rows, H): h
  float* dropped;                 // (layers, rows, H): h with its mask
  float* d_hidden;                // (rows, H): gradient of the outputs of the layer under way
  float* scores;                  // (rows, V): gradients of the logits, or probabilities
  float* state_before;            // (layers, h and c, sequences, H): states before the window
  float* state_after;
  const unsigned long long* keys; // of the sequences, for their masks
  const int* lengths;             // steps of each sequence
  const int* first_targets;
  const float* weights;           // (V)
  const unsigned char* tokens;    // (sequences, stride)
  int cell, vocabulary, embedding, units, layers;
  int sequences, steps, first_step, stride;
  int chunk, chunks;              // rows of a part, and parts
  int n_parameters, n_sums, n_losses;
  int layer;                      // the layer under way
  int is_scoring;                 // probabilities, and no gradient
  int is_first;                   // the first window of a batch
  unsigned threshold;             // a unit is dropped when its 24 bits are below this
  float scale;                    // of those that are kept; 0 without masks
  float rate, epsilon;            // of Adam's step
};

enum {
  SEQUENCES = 2,      // of a block of a recurrent kernel
  HEAD_ROWS = 16,     // of a block of the head
  LANES = 8,          // threads of a row there
  TILE = 64,          // rows and columns of a block of a product
  DEPTH = 16,         // of its common dimension at a time
  MOST_TOKENS = 256,
  MOST_UNITS = 128,
  COLUMNS = 32,       // of a block that sums by tokens
};

typedef unsigned long long u64;
typedef unsigned long long size;

__host__ __device__ constexpr int gates_of(int cell) { return cell == LSTM ? 4 : cell == GRU ? 3 : 1; }
// Floats kept of a step per unit: the gates, and of a GRU W_hn h + b_hn.
__host__ __device__ constexpr int kept_of(int cell) { return cell == RNN ? 1 : 4; }
__host__ __device__ constexpr int states_of(int cell) { return cell == LSTM ? 2 : 1; }

__device__ inline float sigmoid_of(float x) { return 1.0f / (1.0f + __expf(-x)); }
__device__ inline float tanh_of(float x) { return 1.0f - 2.0f / (1.0f + __expf(2.0f * x)); }

// Places of a layer's tensors among the parameters, and of its sums among the parts.
struct Places {
  size weight_ih, weight_hh, bias_ih, bias_hh, end;
  size sum_hh, sum_columns, sum_ih, sum_end;
};

__device__ inline Places places(const Pass& p, int layer) {
  const size wide = size(gates_of(p.cell)) * p.units, square = wide * p.units;
  const size kept = size(kept_of(p.cell)) * p.units;
  const size first_inputs = wide * p.embedding;
  Places at;
  at.weight_ih = size(p.vocabulary) * p.embedding + (layer ? first_inputs + square + 2 * wide : 0) +
                 (layer ? layer - 1 : 0) * (2 * square + 2 * wide);
  at.weight_hh = at.weight_ih + (layer ? square : first_inputs);
  at.bias_ih = at.weight_hh + square;
  at.bias_hh = at.bias_ih + wide;
  at.end = at.bias_hh + wide;
  at.sum_hh = layer ? square + kept + (layer - 1) * (2 * square + kept) : 0;
  at.sum_columns = at.sum_hh + square;
  at.sum_ih = at.sum_columns + kept;
  at.sum_end = at.sum_ih + (layer ? square : 0);
  return at;
}

__device__ inline u64 mixed(u64 x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

// The masks of src/network/dropout.rs.
__device__ inline float dropout_factor(const Pass& p, int sequence, int layer, int position, int unit) {
  const u64 golden = 0x9E3779B97F4A7C15ull;
  u64 bits = mixed(p.seed + golden);
  bits = mixed((bits ^ p.keys[sequence]) + golden);
  bits = mixed((bits ^ u64(layer)) + golden);
  bits = mixed((bits ^ u64(position)) + golden);
  unsigned x = unsigned(bits) ^ (unsigned(unit) * 0x9E3779B9u);
  x = (x ^ (x >> 16)) * 0x7FEB352Du + unsigned(bits >> 32);
  x = (x ^ (x >> 15)) * 0x846CA68Bu;
  x ^= x >> 16;
  return (x >> 8) < p.threshold ? 0.0f : p.scale;
}

__device__ inline float* layer_of(float* all, const Pass& p, int layer, size width) {
  return all + size(layer) * p.steps * p.sequences * width;
}

// The outputs of a layer as the next one reads them.
__device__ inline float* outputs_of(const Pass& p, int layer) {
  return layer_of(p.scale > 0.0f && layer + 1 < p.layers ? p.dropped : p.hidden, p, layer, p.units);
}

__device__ inline float* state_of(float* states, const Pass& p, int layer, int place) {
  return states + size(layer * states_of(p.cell) + place) * p.sequences * p.units;
}

// Steps of a sequence within the window.
__device__ inline int steps_of(const Pass& p, int sequence) {
  if (sequence >= p.sequences) return 0;
  const int left = p.lengths[sequence] - p.first_step;
  return left < 0 ? 0 : left < p.steps ? left : p.steps;
}

__device__ inline int longest_of(const int (&length)[SEQUENCES]) {
  int longest = 0;
  for (int s = 0; s < SEQUENCES; ++s) longest = length[s] > longest ? length[s] : longest;
  return longest;
}

// What the passes read of the parameters: the table of the first layer, and W_hh transposed.
extern "C" __global__ void __launch_bounds__(256) prepare(const __grid_constant__ Pass p) {
  const int wide = gates_of(p.cell) * p.units;
  const size n_table = size(p.vocabulary) * wide, square = size(wide) * p.units;
  size i = size(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n_table) {
    const Places at = places(p, 0);
    const int v = int(i / wide), r = int(i % wide);
    // The bias of the recurrent part of a GRU's n is inside a product.
    float sum = p.parameters[at.bias_ih + r];
    if (p.cell != GRU || r < 2 * p.units) sum += p.parameters[at.bias_hh + r];
    for (int e = 0; e < p.embedding; ++e)
      sum += p.parameters[at.weight_ih + size(r) * p.embedding + e] * p.parameters[size(v) * p.embedding + e];
    p.table[i] = sum;
    return;
  }
  i -= n_table;
  if (i >= square * p.layers) return;
  const int layer = int(i / square), k = int(i % square / wide), r = int(i % wide);
  p.transposed[i] = p.parameters[places(p, layer).weight_hh + size(r) * p.units + k];
}

// One layer over the window. A thread is a row of W_hh, of which up to 64 weights are in registers; a block is a
// few sequences.
template <int CELL, int H>
__device__ inline void forward(const Pass& p) {
  constexpr int WIDE = gates_of(CELL) * H, KEPT = kept_of(CELL) * H, S = SEQUENCES, HELD = H < 64 ? H : 64;
  __shared__ __align__(16) float h[S][H];
  __shared__ float c[S][H], g[S][KEPT];
  __shared__ int length[S];
  const int r = threadIdx.x, n = p.sequences, first = blockIdx.x * S;
  const Places at = places(p, p.layer);
  const float* recurrent = p.transposed + size(p.layer) * WIDE * H + r;
  float* gates = layer_of(p.gates, p, p.layer, KEPT);
  float* cells = layer_of(p.cells, p, p.layer, H);
  float* hidden = layer_of(p.hidden, p, p.layer, H);
  float* dropped = layer_of(p.dropped, p, p.layer, H);
  const bool is_dropped = p.scale > 0.0f && p.layer + 1 < p.layers;
  const bool is_inside = CELL == GRU && r >= 2 * H;
  const float bias = is_inside ? p.parameters[at.bias_hh + r] : 0.0f;
  float w[HELD];
#pragma unroll
  for (int k = 0; k < HELD; ++k) w[k] = recurrent[k * WIDE];
  if (r < S) length[r] = steps_of(p, first + r);
#pragma unroll 1
  for (int e = r; e < S * H; e += WIDE) {
    const int s = e / H, j = e % H;
    const bool is_there = first + s < n;
    h[s][j] = is_there ? state_of(p.state_before, p, p.layer, 0)[size(first + s) * H + j] : 0.0f;
    if (CELL == LSTM) c[s][j] = is_there ? state_of(p.state_before, p, p.layer, 1)[size(first + s) * H + j] : 0.0f;
  }
  __syncthreads();
  const int longest = longest_of(length);
  for (int t = 0; t < longest; ++t) {
    float input[S], sum[S];
#pragma unroll
    for (int s = 0; s < S; ++s) {
      const size row = size(t) * n + first + s;
      input[s] = 0.0f;
      if (t < length[s])
        input[s] = p.layer ? gates[row * KEPT + r]
                           : p.table[size(p.tokens[size(first + s) * p.stride + p.first_step + t]) * WIDE + r];
      sum[s] = is_inside ? bias : input[s];
    }
#pragma unroll
    for (int k = 0; k < HELD; k += 4)
#pragma unroll
      for (int s = 0; s < S; ++s) {
        const float4 x = *reinterpret_cast<const float4*>(&h[s][k]);
        sum[s] += w[k] * x.x;
        sum[s] += w[k + 1] * x.y;
        sum[s] += w[k + 2] * x.z;
        sum[s] += w[k + 3] * x.w;
      }
#pragma unroll 4
    for (int k = HELD; k < H; ++k) {
      const float weight = recurrent[k * WIDE];
#pragma unroll
      for (int s = 0; s < S; ++s) sum[s] += weight * h[s][k];
    }
#pragma unroll
    for (int s = 0; s < S; ++s) {
      const size at_row = (size(t) * n + first + s) * KEPT;
      if (CELL == GRU && is_inside) {
        g[s][r] = input[s];
        g[s][H + r] = sum[s];
        if (t < length[s]) gates[at_row + H + r] = sum[s];
      } else {
        const float a = CELL == RNN || (CELL == LSTM && r / H == 2) ? tanh_of(sum[s]) : sigmoid_of(sum[s]);
        g[s][r] = a;
        if (CELL != RNN && t < length[s]) gates[at_row + r] = a;
      }
    }
    __syncthreads();
#pragma unroll 1
  for (int e = r; e < S * H; e += WIDE) {
      const int s = e / H, j = e % H;
      if (t >= length[s]) continue;
      const size row = size(t) * n + first + s;
      float y = g[s][j];
      if (CELL == LSTM) {
        c[s][j] = g[s][H + j] * c[s][j] + g[s][j] * g[s][2 * H + j];
        cells[row * H + j] = c[s][j];
        y = g[s][3 * H + j] * tanh_of(c[s][j]);
      }
      if (CELL == GRU) {
        const float candidate = tanh_of(g[s][2 * H + j] + g[s][j] * g[s][3 * H + j]);
        gates[row * KEPT + 2 * H + j] = candidate;
        y = candidate + g[s][H + j] * (h[s][j] - candidate);
      }
      h[s][j] = y;
      hidden[row * H + j] = y;
      if (is_dropped) dropped[row * H + j] = y * dropout_factor(p, first + s, p.layer, p.first_step + t, j);
    }
    __syncthreads();
  }
#pragma unroll 1
  for (int e = r; e < S * H; e += WIDE) {
    const int s = e / H, j = e % H;
    if (first + s >= n) continue;
    state_of(p.state_after, p, p.layer, 0)[size(first + s) * H + j] = h[s][j];
    if (CELL == LSTM) state_of(p.state_after, p, p.layer, 1)[size(first + s) * H + j] = c[s][j];
    for (int t = length[s]; t < p.steps; ++t) {
      const size row = size(t) * n + first + s;
      hidden[row * H + j] = 0.0f;
      if (is_dropped) dropped[row * H + j] = 0.0f;
    }
  }
}

// Back through the window: gradients of the gates in place of the gates. Of a GRU they are those of r, z, n and of
// W_hn h + b_hn. A thread is a column of a gate of W_hh.
template <int CELL, int H>
__device__ inline void backward(const Pass& p) {
  constexpr int G = gates_of(CELL), WIDE = G * H, KEPT = kept_of(CELL) * H, S = SEQUENCES, HELD = H < 64 ? H : 64;
  __shared__ __align__(16) float dg[S][WIDE];
  __shared__ float dh[S][H], dc[S][H], part[G][S][H];
  __shared__ int length[S];
  const int r = threadIdx.x, n = p.sequences, first = blockIdx.x * S, q = r / H, column = r % H;
  const float* weight_hh = p.parameters + places(p, p.layer).weight_hh + size(q) * H * H + column;
  float* gates = layer_of(p.gates, p, p.layer, KEPT);
  const float* cells = layer_of(p.cells, p, p.layer, H);
  const float* hidden = layer_of(p.hidden, p, p.layer, H);
  const float* start = state_of(p.state_before, p, p.layer, 0);
  const bool is_dropped = p.scale > 0.0f && p.layer + 1 < p.layers;
  float w[HELD];
#pragma unroll
  for (int k = 0; k < HELD; ++k) w[k] = weight_hh[k * H];
  if (r < S) length[r] = steps_of(p, first + r);
#pragma unroll 1
  for (int e = r; e < S * H; e += WIDE) dh[e / H][e % H] = dc[e / H][e % H] = 0.0f;
  __syncthreads();
  const int longest = longest_of(length);
  for (int t = longest - 1; t >= 0; --t) {
#pragma unroll 1
  for (int e = r; e < S * H; e += WIDE) {
      const int s = e / H, j = e % H;
      const size row = size(t) * n + first + s;
      float d[4] = {0.0f, 0.0f, 0.0f, 0.0f}, direct = 0.0f;
      if (t < length[s]) {
        float* gate = gates + row * KEPT + j;
        const float before = t ? hidden[(row - n) * H + j] : start[size(first + s) * H + j];
        float dy = p.d_hidden[row * H + j];
        if (is_dropped) dy *= dropout_factor(p, first + s, p.layer, p.first_step + t, j);
        dy += dh[s][j];
        if (CELL == LSTM) {
          const float i = gate[0], f = gate[H], candidate = gate[2 * H], o = gate[3 * H];
          const float c_before = t ? cells[(row - n) * H + j] : state_of(p.state_before, p, p.layer, 1)[size(first + s) * H + j];
          const float y = tanh_of(cells[row * H + j]);
          const float d_cell = dc[s][j] + dy * o * (1.0f - y * y);
          d[0] = d_cell * candidate * i * (1.0f - i);
          d[1] = d_cell * c_before * f * (1.0f - f);
          d[2] = d_cell * i * (1.0f - candidate * candidate);
          d[3] = dy * y * o * (1.0f - o);
          dc[s][j] = d_cell * f;
        }
        if (CELL == GRU) {
          const float reset = gate[0], z = gate[H], candidate = gate[2 * H], inside = gate[3 * H];
          d[2] = dy * (1.0f - z) * (1.0f - candidate * candidate);
          d[0] = d[2] * inside * reset * (1.0f - reset);
          d[1] = dy * (before - candidate) * z * (1.0f - z);
          d[3] = d[2] * reset;
          direct = dy * z;
        }
        if (CELL == RNN) {
          const float y = hidden[row * H + j];
          d[0] = dy * (1.0f - y * y);
        }
#pragma unroll
        for (int k = 0; k < KEPT / H; ++k) gate[k * H] = d[k];
      }
#pragma unroll
      for (int k = 0; k < G; ++k) dg[s][k * H + j] = CELL == GRU && k == 2 ? d[3] : d[k];
      dh[s][j] = direct;
    }
    __syncthreads();
#pragma unroll
    for (int s = 0; s < S; ++s) {
      float sum = 0.0f;
#pragma unroll
      for (int k = 0; k < HELD; k += 4) {
        const float4 x = *reinterpret_cast<const float4*>(&dg[s][q * H + k]);
        sum += w[k] * x.x;
        sum += w[k + 1] * x.y;
        sum += w[k + 2] * x.z;
        sum += w[k + 3] * x.w;
      }
#pragma unroll 4
      for (int k = HELD; k < H; ++k) sum += weight_hh[k * H] * dg[s][q * H + k];
      part[q][s][column] = sum;
    }
    __syncthreads();
#pragma unroll 1
  for (int e = r; e < S * H; e += WIDE) {
      const int s = e / H, j = e % H;
      float sum = dh[s][j];
#pragma unroll
      for (int k = 0; k < G; ++k) sum += part[k][s][j];
      dh[s][j] = sum;
    }
    // The same thread reads dh again; dg and part are written only behind the next barrier.
  }
#pragma unroll 1
  for (int e = r; e < S * H; e += WIDE) {
    const int s = e / H, j = e % H;
    if (first + s >= n) continue;
    for (int t = length[s]; t < p.steps; ++t)
#pragma unroll
      for (int k = 0; k < KEPT / H; ++k) gates[(size(t) * n + first + s) * KEPT + k * H + j] = 0.0f;
  }
}

#define RECURRENT(NAME, CELL, H)                                                                                      \
  extern "C" __global__ void __launch_bounds__(gates_of(CELL) * H) forward_##NAME##_##H(const __grid_constant__ Pass p) { \
    forward<CELL, H>(p);                                                                                              \
  }                                                                                                                   \
  extern "C" __global__ void __launch_bounds__(gates_of(CELL) * H) backward_##NAME##_##H(const __grid_constant__ Pass p) { \
    backward<CELL, H>(p);                                                                                             \
  }
#define SIZES(NAME, CELL) RECURRENT(NAME, CELL, 32) RECURRENT(NAME, CELL, 64) RECURRENT(NAME, CELL, 96) RECURRENT(NAME, CELL, 128)
SIZES(rnn, RNN)
SIZES(gru, GRU)
SIZES(lstm, LSTM)

// The head: logits, softmax, losses and their gradients, or probabilities.
extern "C" __global__ void __launch_bounds__(HEAD_ROWS* LANES) head(const __grid_constant__ Pass p) {
  __shared__ float x[HEAD_ROWS][MOST_UNITS], logits[HEAD_ROWS][MOST_TOKENS], part[HEAD_ROWS][LANES];
  __shared__ float row_losses[HEAD_ROWS], row_weights[HEAD_ROWS];
  const int n = p.sequences, V = p.vocabulary, H = p.units, threads = HEAD_ROWS * LANES;
  const size rows = size(p.steps) * n, first = size(blockIdx.x) * HEAD_ROWS;
  const float* hidden = layer_of(p.hidden, p, p.layers - 1, H);
  const float* weight = p.parameters + places(p, p.layers - 1).end;
  const float* bias = weight + size(V) * H;
  for (int i = threadIdx.x; i < HEAD_ROWS * H; i += threads)
    x[i / H][i % H] = first + i / H < rows ? hidden[(first + i / H) * H + i % H] : 0.0f;
  __syncthreads();
  for (int i = threadIdx.x; i < HEAD_ROWS * V; i += threads) {
    const int row = i / V, v = i % V;
    float sum = bias[v];
    for (int k = 0; k < H; ++k) sum += weight[size(v) * H + k] * x[row][k];
    logits[row][v] = sum;
  }
  __syncthreads();
  const int row = threadIdx.x / LANES, lane = threadIdx.x % LANES;
  const bool is_there = first + row < rows;
  const int t = is_there ? int((first + row) / n) : 0, s = is_there ? int((first + row) % n) : 0;
  const int position = p.first_step + t + 1;
  const bool counts = is_there && !p.is_scoring && t < steps_of(p, s) && position >= p.first_targets[s];
  const int target = counts ? p.tokens[size(s) * p.stride + position] : 0;
  const float target_weight = counts ? p.weights[target] : 0.0f;
  float largest = logits[row][lane < V ? lane : 0];
  for (int v = lane; v < V; v += LANES) largest = fmaxf(largest, logits[row][v]);
  part[row][lane] = largest;
  __syncthreads();
  for (int k = 0; k < LANES; ++k) largest = fmaxf(largest, part[row][k]);
  __syncthreads();
  float sum = 0.0f;
  for (int v = lane; v < V; v += LANES) sum += __expf(logits[row][v] - largest);
  part[row][lane] = sum;
  __syncthreads();
  float total = 0.0f;
  for (int k = 0; k < LANES; ++k) total += part[row][k];
  if (lane == 0) {
    row_weights[row] = target_weight;
    row_losses[row] = counts ? target_weight * (logf(total) - (logits[row][target] - largest)) : 0.0f;
  }
  __syncthreads();
  for (int v = lane; v < V; v += LANES) {
    const float probability = __expf(logits[row][v] - largest) / total;
    const float d = p.is_scoring ? probability : counts ? target_weight * (probability - (v == target ? 1.0f : 0.0f)) : 0.0f;
    logits[row][v] = d;
    if (is_there) p.scores[(first + row) * V + v] = d;
  }
  if (p.is_scoring) return;
  __syncthreads();
  if (threadIdx.x == 0) {
    double loss = 0.0, weights = 0.0;
    for (int k = 0; k < HEAD_ROWS; ++k) {
      loss += row_losses[k];
      weights += row_weights[k];
    }
    p.losses[2 * blockIdx.x] = loss;
    p.losses[2 * blockIdx.x + 1] = weights;
  }
  for (int i = threadIdx.x; i < HEAD_ROWS * H; i += threads) {
    if (first + i / H >= rows) break;
    float d = 0.0f;
    for (int v = 0; v < V; ++v) d += logits[i / H][v] * weight[size(v) * H + i % H];
    p.d_hidden[(first + i / H) * H + i % H] = d;
  }
}

// A tile of A B, A (m, depth), B (depth, n), by 256 threads. IN_ROWS says that A lies in memory with its rows together.
template <bool IN_ROWS, class A, class B, class Out>
__device__ inline void product(float* shared, size m0, size n0, size m, size n, size from, size to, A a, B b, Out out) {
  float (*ta)[TILE + 4] = reinterpret_cast<float (*)[TILE + 4]>(shared);
  float (*tb)[TILE + 4] = ta + DEPTH;
  const int x = threadIdx.x % 16, y = threadIdx.x / 16;
  float sum[4][4] = {};
  for (size k0 = from; k0 < to; k0 += DEPTH) {
#pragma unroll
    for (int i = threadIdx.x; i < TILE * DEPTH; i += 256) {
      const int row = IN_ROWS ? i / DEPTH : i % TILE, k = IN_ROWS ? i % DEPTH : i / TILE;
      ta[k][row] = m0 + row < m && k0 + k < to ? a(m0 + row, k0 + k) : 0.0f;
      const int column = i % TILE, depth = i / TILE;
      tb[depth][column] = n0 + column < n && k0 + depth < to ? b(k0 + depth, n0 + column) : 0.0f;
    }
    __syncthreads();
#pragma unroll 4
    for (int k = 0; k < DEPTH; ++k) {
      const float4 u = *reinterpret_cast<const float4*>(&ta[k][4 * y]), v = *reinterpret_cast<const float4*>(&tb[k][4 * x]);
      const float left[4] = {u.x, u.y, u.z, u.w}, right[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) sum[i][j] += left[i] * right[j];
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 4; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j)
      if (m0 + 4 * y + i < m && n0 + 4 * x + j < n) out(m0 + 4 * y + i, n0 + 4 * x + j, sum[i][j]);
}

// W_ih x + biases of an upper layer, for all steps.
extern "C" __global__ void __launch_bounds__(256, 2) inputs(const __grid_constant__ Pass p) {
  __shared__ __align__(16) float shared[2 * DEPTH * (TILE + 4)];
  const int H = p.units, wide = gates_of(p.cell) * H, kept = kept_of(p.cell) * H;
  const Places at = places(p, p.layer);
  const float* x = outputs_of(p, p.layer - 1);
  const float *weight = p.parameters + at.weight_ih, *bias_ih = p.parameters + at.bias_ih, *bias_hh = p.parameters + at.bias_hh;
  const size n_biases = p.cell == GRU ? 2 * H : wide;  // that of a GRU's n is inside a product
  float* gates = layer_of(p.gates, p, p.layer, kept);
  product<true>(
      shared, size(blockIdx.x) * TILE, size(blockIdx.y) * TILE, size(p.steps) * p.sequences, wide, 0, H,
      [=](size row, size k) { return x[row * H + k]; }, [=](size k, size r) { return weight[r * H + k]; },
      [=](size row, size r, float sum) {
        sum += bias_ih[r];
        if (r < n_biases) sum += bias_hh[r];
        gates[row * kept + r] = sum;
      });
}

// The gradient of the inputs of an upper layer, which the layer below gave through its mask.
extern "C" __global__ void __launch_bounds__(256, 2) input_gradients(const __grid_constant__ Pass p) {
  __shared__ __align__(16) float shared[2 * DEPTH * (TILE + 4)];
  const int H = p.units, wide = gates_of(p.cell) * H, kept = kept_of(p.cell) * H;
  const float* gates = layer_of(p.gates, p, p.layer, kept);
  const float* weight = p.parameters + places(p, p.layer).weight_ih;
  float* d_inputs = p.d_hidden;
  product<true>(
      shared, size(blockIdx.x) * TILE, size(blockIdx.y) * TILE, size(p.steps) * p.sequences, H, 0, wide,
      [=](size row, size r) { return gates[row * kept + r]; }, [=](size r, size k) { return weight[r * H + k]; },
      [=](size row, size k, float sum) {
        d_inputs[row * H + k] = sum;
      });
}

__device__ inline int tiles(int n, int by) { return (n + by - 1) / by; }

// Sums over the rows of a chunk (blockIdx.x), for whatever tile blockIdx.y is.
extern "C" __global__ void __launch_bounds__(256, 2) weight_gradients(const __grid_constant__ Pass p) {
  __shared__ __align__(16) float shared[MOST_TOKENS * COLUMNS];
  const int H = p.units, V = p.vocabulary, wide = gates_of(p.cell) * H, kept = kept_of(p.cell) * H, n = p.sequences;
  const size rows = size(p.steps) * n, from = size(blockIdx.x) * p.chunk;
  const size to = from + p.chunk < rows ? from + p.chunk : rows;
  float* part = p.parts + size(blockIdx.x) * p.n_sums;
  const int across = tiles(H, TILE), squares = tiles(wide, TILE) * across;
  int tile = blockIdx.y;
  const auto columns = [&](const float* matrix, int width, float* sums) {
    const int column = tile * 256 + threadIdx.x;
    if (column >= width) return;
    float sum = 0.0f;
    for (size row = from; row < to; ++row) sum += matrix[row * width + column];
    sums[column] = sum;
  };
  for (int layer = 0; layer < p.layers; ++layer) {
    const Places at = places(p, layer);
    const float* gates = layer_of(p.gates, p, layer, kept);
    if (tile < squares) {
      const float* hidden = layer_of(p.hidden, p, layer, H);
      const float* start = state_of(p.state_before, p, layer, 0);
      float* sums_hh = part + at.sum_hh;
      const bool is_gru = p.cell == GRU;
      product<false>(
          shared, size(tile / across) * TILE, size(tile % across) * TILE, wide, H, from, to,
          [=](size r, size row) { return gates[row * kept + (is_gru && r >= 2 * size(H) ? r + H : r)]; },
          [=](size row, size k) { return row < size(n) ? start[row * H + k] : hidden[(row - n) * H + k]; },
          [=](size r, size k, float sum) { sums_hh[r * H + k] = sum; });
      return;
    }
    tile -= squares;
    if (tile < tiles(kept, 256)) return columns(gates, kept, part + at.sum_columns);
    tile -= tiles(kept, 256);
    if (layer == 0) continue;
    if (tile < squares) {
      const float* x = outputs_of(p, layer - 1);
      float* sums_ih = part + at.sum_ih;
      product<false>(
          shared, size(tile / across) * TILE, size(tile % across) * TILE, wide, H, from, to,
          [=](size r, size row) { return gates[row * kept + r]; }, [=](size row, size k) { return x[row * H + k]; },
          [=](size r, size k, float sum) { sums_ih[r * H + k] = sum; });
      return;
    }
    tile -= squares;
  }
  const size sum_table = places(p, p.layers - 1).sum_end, sum_head = sum_table + size(V) * wide;
  if (tile < tiles(wide, COLUMNS)) {
    // By tokens: a thread has a column, and the tokens of its eighth.
    const int column = threadIdx.x % COLUMNS, eighth = threadIdx.x / COLUMNS, r = tile * COLUMNS + column;
    for (int v = eighth; v < V; v += 8) shared[v * COLUMNS + column] = 0.0f;
    for (size row = from; row < to; ++row) {
      const int v = p.tokens[row % n * p.stride + p.first_step + row / n];
      if (v % 8 == eighth) shared[v * COLUMNS + column] += p.gates[row * kept + r];
    }
    for (int v = eighth; v < V; v += 8) part[sum_table + size(v) * wide + r] = shared[v * COLUMNS + column];
    return;
  }
  tile -= tiles(wide, COLUMNS);
  if (tile < tiles(V, TILE) * across) {
    const float* hidden = layer_of(p.hidden, p, p.layers - 1, H);
    const float* scores = p.scores;
    float* sums = part + sum_head;
    product<false>(
        shared, size(tile / across) * TILE, size(tile % across) * TILE, V, H, from, to,
        [=](size v, size row) { return scores[row * V + v]; }, [=](size row, size k) { return hidden[row * H + k]; },
        [=](size v, size k, float sum) { sums[v * H + k] = sum; });
    return;
  }
  tile -= tiles(V, TILE) * across;
  columns(p.scores, V, part + sum_head + size(V) * H);
}

// The parts in their order, added to the windows before; the last block does so with the losses.
extern "C" __global__ void __launch_bounds__(256) reduce(const __grid_constant__ Pass p) {
  __shared__ double loss[256], weight[256];
  if (blockIdx.x + 1 < gridDim.x) {
    const size i = size(blockIdx.x) * 256 + threadIdx.x;
    if (i >= size(p.n_sums)) return;
    float sum = p.is_first ? 0.0f : p.sums[i];
    for (int k = 0; k < p.chunks; ++k) sum += p.parts[size(k) * p.n_sums + i];
    p.sums[i] = sum;
    return;
  }
  double mine = 0.0, my_weight = 0.0;
  for (int i = threadIdx.x; i < p.n_losses; i += 256) {
    mine += p.losses[2 * i];
    my_weight += p.losses[2 * i + 1];
  }
  loss[threadIdx.x] = mine;
  weight[threadIdx.x] = my_weight;
  __syncthreads();
  if (threadIdx.x) return;
  double sum = p.is_first ? 0.0 : p.totals[0], weights = p.is_first ? 0.0 : p.totals[1];
  for (int i = 0; i < 256; ++i) {
    sum += loss[i];
    weights += weight[i];
  }
  p.totals[0] = sum;
  p.totals[1] = weights;
}

// The sums in the shapes of the parameters.
extern "C" __global__ void __launch_bounds__(256) collect(const __grid_constant__ Pass p) {
  const size i = size(blockIdx.x) * 256 + threadIdx.x;
  if (i >= size(p.n_parameters)) return;
  const int E = p.embedding, H = p.units, V = p.vocabulary, wide = gates_of(p.cell) * H;
  const Places first = places(p, 0), last = places(p, p.layers - 1);
  const float* table = p.sums + last.sum_end;
  float sum = 0.0f;
  if (i < first.weight_ih) {
    const int v = int(i / E), e = int(i % E);
    for (int r = 0; r < wide; ++r) sum += table[size(v) * wide + r] * p.parameters[first.weight_ih + size(r) * E + e];
  } else if (i < first.weight_hh) {
    const int r = int((i - first.weight_ih) / E), e = int((i - first.weight_ih) % E);
    for (int v = 0; v < V; ++v) sum += table[size(v) * wide + r] * p.parameters[size(v) * E + e];
  } else if (i >= last.end) {
    sum = table[size(V) * wide + (i - last.end)];
  } else {
    int layer = 0;
    Places at = first;
    while (i >= at.end) at = places(p, ++layer);
    if (i < at.weight_hh) sum = p.sums[at.sum_ih + (i - at.weight_ih)];
    else if (i < at.bias_ih) sum = p.sums[at.sum_hh + (i - at.weight_hh)];
    else if (i < at.bias_hh) sum = p.sums[at.sum_columns + (i - at.bias_ih)];
    else {
      const size r = i - at.bias_hh;
      sum = p.sums[at.sum_columns + (p.cell == GRU && r >= 2 * size(H) ? r + H : r)];
    }
  }
  p.gradient[i] = sum;
}

// The norm of the gradient divided by the weight of the batch.
extern "C" __global__ void __launch_bounds__(1024) norm(const __grid_constant__ Pass p) {
  __shared__ double part[1024];
  const float scale = float(1.0 / p.totals[1]);
  double sum = 0.0;
  for (int i = threadIdx.x; i < p.n_parameters; i += 1024) {
    const double g = p.gradient[i] * scale;
    sum += g * g;
  }
  part[threadIdx.x] = sum;
  for (int half = 512; half; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
  }
  if (threadIdx.x == 0) p.totals[2] = sqrt(part[0]);
}

// The step of src/train/optimizer.rs with the clipped gradient.
extern "C" __global__ void __launch_bounds__(256) adam(const __grid_constant__ Pass p) {
  const size i = size(blockIdx.x) * 256 + threadIdx.x;
  if (i >= size(p.n_parameters)) return;
  float g = p.gradient[i] * float(1.0 / p.totals[1]);
  if (p.totals[2] > p.clip) g *= float(p.clip / p.totals[2]);
  const float m = p.first_moments[i] + float(1.0 - 0.9) * (g - p.first_moments[i]);
  const float v = p.second_moments[i] + float(1.0 - 0.999) * (g * g - p.second_moments[i]);
  p.first_moments[i] = m;
  p.second_moments[i] = v;
  p.parameters[i] -= p.rate * m / (sqrtf(v) + p.epsilon);
}
