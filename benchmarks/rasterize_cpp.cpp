// SPDX-FileCopyrightText: 2026 The Limbeck authors
// SPDX-License-Identifier: Apache-2.0
//
// The rival of Limbeck's CPU rasteriser: what one writes by hand in C++ for the same pictures and gradients.
//
// Forward: three colours, depth (summed, not divided by alpha) and alpha; backward: gradients of means, quaternions,
// scales, opacities and colours. Same mathematics as core/limbeck/representations/rasterize: EWA projection, alpha cut
// at 1/255 and clamped at 0.999, a pixel ends before T <= 1e-4, and each (Gaussian, tile) pair has a gradient slot, so
// that results do not depend on the number of threads.
//
// What it does for speed: one vector register holds a block of 4 x 4 pixels (4 x 2 where vectors have 8 lanes), which
// wastes fewer lanes on small Gaussians than a row of a tile; a tile of 32 x 32 deals its pairs to its blocks, and a
// block blends with its state in registers; backward takes a pair off all blocks that it touches before its ten sums are
// reduced, all at once, by a transposing tree; arithmetic is float32 throughout; projection, gathering and the count of
// tiles are one pass, and so are the sum of the slots and the gradient of the projection.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <thread>
#include <vector>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace {

// ---- vectors -------------------------------------------------------------------------------------------------------

#ifdef __AVX512F__
constexpr int LANES = 16, BLOCK_WIDTH = 4, BLOCK_HEIGHT = 4;
using V = __m512;
using Mask = __mmask16;
inline V broadcast(float x) { return _mm512_set1_ps(x); }
inline V load(const float* p) { return _mm512_load_ps(p); }
inline void store(float* p, V x) { _mm512_store_ps(p, x); }
inline Mask greater_equal(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
inline Mask greater(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
inline V zero_unless(Mask m, V a) { return _mm512_maskz_mov_ps(m, a); }
inline V choose(Mask m, V a, V b) { return _mm512_mask_blend_ps(m, b, a); }
inline Mask without(Mask a, Mask b) { return Mask(a & ~b); }
inline bool any(Mask m) { return m != 0; }
inline V smaller_of(V a, V b) { return _mm512_min_ps(a, b); }
inline V larger_of(V a, V b) { return _mm512_max_ps(a, b); }
inline V reciprocal(V x) {
  V r = _mm512_rcp14_ps(x);
  return r * (broadcast(2.0f) - x * r);
}
#else
constexpr int LANES = 8, BLOCK_WIDTH = 4, BLOCK_HEIGHT = 2;
typedef float V __attribute__((vector_size(32)));
typedef int32_t Mask __attribute__((vector_size(32)));
inline V broadcast(float x) { return V{x, x, x, x, x, x, x, x}; }
inline V load(const float* p) { return *reinterpret_cast<const V*>(p); }
inline void store(float* p, V x) { *reinterpret_cast<V*>(p) = x; }
inline Mask greater_equal(V a, V b) { return a >= b; }
inline Mask greater(V a, V b) { return a > b; }
inline V choose(Mask m, V a, V b) { return m ? a : b; }
inline V zero_unless(Mask m, V a) { return choose(m, a, broadcast(0.0f)); }
inline Mask without(Mask a, Mask b) { return a & ~b; }
inline bool any(Mask m) {
  int32_t bits = 0;
  for (int k = 0; k < LANES; k++) bits |= m[k];
  return bits != 0;
}
inline V smaller_of(V a, V b) { return a < b ? a : b; }
inline V larger_of(V a, V b) { return a > b ? a : b; }
inline V reciprocal(V x) { return 1.0f / x; }
#endif

constexpr int TILE = 32, PIXELS = TILE * TILE, ACROSS = TILE / BLOCK_WIDTH, DOWN = TILE / BLOCK_HEIGHT;
constexpr int BLOCKS = ACROSS * DOWN;
constexpr float MAX_ALPHA = 0.999f, MIN_TRANSMITTANCE = 1e-4f, MAX_SIGMAS = 3.33f, EPS2D = 0.3f, NEAR = 0.01f;

// As in tiles.py: exponents are log2(alpha) / 8, and 2^(8 x) is a polynomial squared three times.
const float SCALE = std::sqrt(float(M_LOG2E) / 16.0f);
const float EXPONENT_CUT = std::log2(1.0f / 255.0f) / 8.0f;

inline V exp2_of_eighth(V x) {
  V y = x * 0.0009449035f + 0.0092057978f;
  y = y * x + 0.0552973579f;
  y = y * x + 0.2401801428f;
  y = y * x + 0.6931437211f;
  y = y * x + 1.0f;
  y = y * y;
  y = y * y;
  return y * y;
}

// Reduce up to twelve vectors to their sums, sums[0..11], all at once.
inline void reduce(const V (&rows)[12], float* sums) {
#ifdef __AVX512F__
  V by_lane[4];
  for (int k = 0; k < 3; k++) {
    V ab = _mm512_unpacklo_ps(rows[4 * k], rows[4 * k + 1]) + _mm512_unpackhi_ps(rows[4 * k], rows[4 * k + 1]);
    V cd = _mm512_unpacklo_ps(rows[4 * k + 2], rows[4 * k + 3]) + _mm512_unpackhi_ps(rows[4 * k + 2], rows[4 * k + 3]);
    __m512d p = _mm512_castps_pd(ab), q = _mm512_castps_pd(cd);
    by_lane[k] = _mm512_castpd_ps(_mm512_unpacklo_pd(p, q)) + _mm512_castpd_ps(_mm512_unpackhi_pd(p, q));
  }
  by_lane[3] = broadcast(0.0f);
  V a = _mm512_shuffle_f32x4(by_lane[0], by_lane[1], 0x44) + _mm512_shuffle_f32x4(by_lane[0], by_lane[1], 0xEE);
  V b = _mm512_shuffle_f32x4(by_lane[2], by_lane[3], 0x44) + _mm512_shuffle_f32x4(by_lane[2], by_lane[3], 0xEE);
  store(sums, _mm512_shuffle_f32x4(a, b, 0x88) + _mm512_shuffle_f32x4(a, b, 0xDD));
#else
  for (int row = 0; row < 12; row++) {
    sums[row] = 0.0f;
    for (int k = 0; k < LANES; k++) sums[row] += rows[row][k];
  }
#endif
}

// ---- memory and threads --------------------------------------------------------------------------------------------

template <class T>
struct Aligned {
  using value_type = T;
  Aligned() = default;
  template <class U>
  Aligned(const Aligned<U>&) {}
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(64))); }
  void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t(64)); }
  // Arrays are filled by the kernels: do not clear them first.
  template <class U>
  void construct(U* p) { ::new (static_cast<void*>(p)) U; }
  template <class U, class A>
  void construct(U* p, const A& a) { ::new (static_cast<void*>(p)) U(a); }
  bool operator==(const Aligned&) const { return true; }
  bool operator!=(const Aligned&) const { return false; }
};
template <class T>
using Array = std::vector<T, Aligned<T>>;

// Call work(begin, end) for parts of 0..items, from several threads; a free thread takes the next part.
template <class Work>
void in_parallel(int threads, int items, int part, Work work) {
  if (threads == 1 || items <= part) {
    work(0, items);
    return;
  }
  std::atomic<int> next(0);
  auto run = [&] {
    for (int begin; (begin = next.fetch_add(part)) < items;) work(begin, std::min(items, begin + part));
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; t++) others.emplace_back(run);
  run();
  for (auto& other : others) other.join();
}

// ---- projection ----------------------------------------------------------------------------------------------------

struct Vec {
  float x, y, z;
};
inline Vec operator+(Vec a, Vec b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline Vec operator*(float s, Vec a) { return {s * a.x, s * a.y, s * a.z}; }
inline float dot(Vec a, Vec b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

struct Camera {
  Vec right, down, forward, offset;
  float fx, fy, cx, cy, low_x, low_y, high_x, high_y;
};

struct alignas(64) Splat {  // what blending reads of a Gaussian in a camera
  float x, y, l0, l1, l2, exponent, features[4];
  float half_x, half_y;  // of the ellipse's box; half_x < 0 if it is not seen
};

struct Pair {
  int32_t splat, slot;
  int8_t left, right, top, bottom;  // blocks touched, inclusive
};

struct Slot {
  alignas(64) float sums[16];  // g, g q0, g q1, g q0 q0, g q0 q1, g q1 q1, four features
};

struct Scene {
  int threads, points, cameras, width, height, tiles_across, tiles_down;
  const float *means, *quats, *scales, *opacities, *colors;
  std::vector<Camera> lenses;
  Array<Splat> splats;
  Array<int32_t> starts, first_slot, end_slot;  // tile_starts; slots of each splat
  Array<Pair> pairs;
  Array<float> transmittances;
  Array<float> ends;  // the index of the pair before which a pixel ended, in block order
  int tiles() const { return tiles_across * tiles_down; }
};

struct Rotation {
  Vec columns[3];
};

inline Rotation rotation(const float* q, float* unit, float* inverse_norm) {
  float n = 1.0f / std::max(std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]), 1e-12f);
  float w = q[0] * n, x = q[1] * n, y = q[2] * n, z = q[3] * n;
  unit[0] = w, unit[1] = x, unit[2] = y, unit[3] = z, *inverse_norm = n;
  return {{{1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)},
           {2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)},
           {2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)}}};
}

struct Projected {
  float slope_x, slope_y, limited_x, limited_y, z, per_z, l0, l1, l2, xx, yy, det;
  Vec row_x, row_y;
  float ax[3], ay[3];
};

inline Projected project(const Camera& camera, Vec mean, const Rotation& r, const float* scale) {
  Projected p;
  p.z = dot(camera.forward, mean) + camera.offset.z, p.per_z = 1.0f / p.z;
  p.slope_x = (dot(camera.right, mean) + camera.offset.x) * p.per_z;
  p.slope_y = (dot(camera.down, mean) + camera.offset.y) * p.per_z;
  p.limited_x = std::min(std::max(p.slope_x, camera.low_x), camera.high_x);
  p.limited_y = std::min(std::max(p.slope_y, camera.low_y), camera.high_y);
  float fx = camera.fx * p.per_z, fy = camera.fy * p.per_z;
  p.row_x = fx * camera.right + (-fx * p.limited_x) * camera.forward;
  p.row_y = fy * camera.down + (-fy * p.limited_y) * camera.forward;
  float xy = 0.0f;
  p.xx = EPS2D, p.yy = EPS2D;
  for (int j = 0; j < 3; j++) {
    p.ax[j] = dot(p.row_x, r.columns[j]) * scale[j], p.ay[j] = dot(p.row_y, r.columns[j]) * scale[j];
    p.xx += p.ax[j] * p.ax[j], xy += p.ax[j] * p.ay[j], p.yy += p.ay[j] * p.ay[j];
  }
  p.det = p.xx * p.yy - xy * xy;
  p.l2 = 1.0f / std::sqrt(p.yy);
  float per_root = 1.0f / std::sqrt(p.det);
  p.l0 = p.yy * p.l2 * per_root, p.l1 = -xy * p.l2 * per_root;
  return p;
}

// Fill a range of Gaussians' splats in all cameras.
void project_range(Scene& s, int begin, int end) {
  for (int g = begin; g < end; g++) {
    float unit[4], inverse_norm, opacity = s.opacities[g];
    Rotation r = rotation(s.quats + 4 * g, unit, &inverse_norm);
    Vec mean{s.means[3 * g], s.means[3 * g + 1], s.means[3 * g + 2]};
    float threshold = 2.0f * std::log(255.0f * std::max(opacity, 1e-12f));
    for (int c = 0; c < s.cameras; c++) {
      const Camera& camera = s.lenses[c];
      Splat& splat = s.splats[std::size_t(c) * s.points + g];
      Projected p = project(camera, mean, r, s.scales + 3 * g);
      splat.half_x = -1.0f;
      if (!(p.z >= NEAR) || !(threshold >= 0.0f) || !(p.det > 0.0f)) continue;
      float x = camera.fx * p.slope_x + camera.cx, y = camera.fy * p.slope_y + camera.cy;
      float extent = std::min(MAX_SIGMAS, std::sqrt(threshold));
      float rx = std::ceil(extent * std::sqrt(p.xx)), ry = std::ceil(extent * std::sqrt(p.yy));
      if (!(x + rx > 0 && x - rx < s.width && y + ry > 0 && y - ry < s.height)) continue;
      splat.x = x, splat.y = y, splat.l0 = SCALE * p.l0, splat.l1 = SCALE * p.l1, splat.l2 = SCALE * p.l2;
      splat.exponent = EXPONENT_CUT + float(M_LOG2E) / 16.0f * threshold;
      for (int k = 0; k < 3; k++) splat.features[k] = s.colors[3 * g + k];
      splat.features[3] = p.z;
      float root = std::sqrt(threshold * 1.001f + 1e-3f);
      splat.half_x = std::min(rx, root * std::sqrt(p.xx)), splat.half_y = std::min(ry, root * std::sqrt(p.yy));
    }
  }
}

// ---- binning -------------------------------------------------------------------------------------------------------

// Return the Gaussians that camera c sees, from near to far, ties by index.
void sort_by_depth(const Scene& s, int c, std::vector<int32_t>& order) {
  struct Key {
    uint32_t depth;
    int32_t index;
  };
  std::vector<Key> keys, other;
  keys.reserve(s.points);
  for (int g = 0; g < s.points; g++) {
    const Splat& splat = s.splats[std::size_t(c) * s.points + g];
    if (splat.half_x < 0) continue;
    uint32_t bits;
    std::memcpy(&bits, &splat.features[3], 4);  // depths are positive: their bits are in their order
    keys.push_back({bits, g});
  }
  other.resize(keys.size());
  std::vector<int32_t> places(1 << 11);
  for (int shift : {0, 11, 22}) {
    std::fill(places.begin(), places.end(), 0);
    for (Key key : keys) places[key.depth >> shift & 2047]++;
    int32_t sum = 0;
    for (int32_t& place : places) {
      int32_t count = place;
      place = sum, sum += count;
    }
    for (Key key : keys) other[places[key.depth >> shift & 2047]++] = key;
    keys.swap(other);
  }
  order.resize(keys.size());
  for (std::size_t i = 0; i < keys.size(); i++) order[i] = keys[i].index;
}

struct Listed {
  int32_t splat, tile;
  int8_t left, right, top, bottom;
};

// List one camera's pairs from near to far: a Gaussian meets a tile only in the rows that its ellipse reaches there.
void list_pairs(Scene& s, int c, std::vector<Listed>& listed, int32_t* counts) {
  std::vector<int32_t> order;
  sort_by_depth(s, c, order);
  listed.reserve(3 * order.size());
  for (int32_t g : order) {
    int32_t index = c * s.points + g;
    const Splat& splat = s.splats[index];
    s.first_slot[index] = int32_t(listed.size());
    float x = splat.x - 0.5f, y = splat.y - 0.5f;
    int left = std::max(0, int(std::ceil(x - splat.half_x)));
    int right = std::min(s.width - 1, int(std::floor(x + splat.half_x)));
    int top = std::max(0, int(std::ceil(y - splat.half_y)));
    int bottom = std::min(s.height - 1, int(std::floor(y + splat.half_y)));
    // |L d|^2 <= t solved for v: slope u +- sqrt(base - curve u^2); scaled roots scale t alike.
    float t = (splat.exponent - EXPONENT_CUT) * 1.001f + 1e-4f;
    float n = 1.0f / (splat.l1 * splat.l1 + splat.l2 * splat.l2);
    float half = std::sqrt(t / n) / (splat.l0 * splat.l2), peak = -std::sqrt(t) / splat.l2 * splat.l1 / splat.l0;
    float slope = -splat.l0 * splat.l1 * n, base = t * n, curve = splat.l0 * splat.l2 * n;
    curve *= curve;
    for (int tx = left / TILE; left <= right && tx <= right / TILE; tx++) {
      int column = tx * TILE, from = std::max(left, column), to = std::min(right, column + TILE - 1);
      float u0 = std::max(from - x, -half), u1 = std::min(to - x, half);
      float low = std::min(std::max(-peak, u0), u1), high = std::min(std::max(peak, u0), u1);
      float v0 = slope * low - std::sqrt(std::max(base - curve * low * low, 0.0f));
      float v1 = slope * high + std::sqrt(std::max(base - curve * high * high, 0.0f));
      int first = std::max(top, int(std::ceil(y + v0))), last = std::min(bottom, int(std::floor(y + v1)));
      for (int ty = first / TILE; first <= last && ty <= last / TILE; ty++) {
        int row = ty * TILE, tile = ty * s.tiles_across + tx;
        counts[tile]++;
        listed.push_back({index, tile, int8_t((from - column) / BLOCK_WIDTH), int8_t((to - column) / BLOCK_WIDTH),
                          int8_t(std::max(first - row, 0) / BLOCK_HEIGHT),
                          int8_t(std::min(last - row, TILE - 1) / BLOCK_HEIGHT)});
      }
    }
    s.end_slot[index] = int32_t(listed.size());
  }
}

void bin(Scene& s) {
  int tiles = s.tiles();
  std::vector<std::vector<Listed>> listed(s.cameras);
  std::vector<int32_t> counts(std::size_t(s.cameras) * tiles, 0);
  s.first_slot.assign(s.splats.size(), 0), s.end_slot.assign(s.splats.size(), 0);
  in_parallel(s.threads, s.cameras, 1, [&](int begin, int end) {
    for (int c = begin; c < end; c++) list_pairs(s, c, listed[c], &counts[std::size_t(c) * tiles]);
  });
  s.starts.resize(counts.size() + 1);
  s.starts[0] = 0;
  for (std::size_t t = 0; t < counts.size(); t++) s.starts[t + 1] = s.starts[t] + counts[t];
  s.pairs.resize(s.starts.back());
  in_parallel(s.threads, s.cameras, 1, [&](int begin, int end) {
    for (int c = begin; c < end; c++) {
      std::vector<int32_t> next(&s.starts[std::size_t(c) * tiles], &s.starts[std::size_t(c + 1) * tiles]);
      int32_t slot = s.starts[std::size_t(c) * tiles], offset = slot;
      for (const Listed& l : listed[c])
        s.pairs[next[l.tile]++] = {l.splat, slot++, l.left, l.right, l.top, l.bottom};
      for (int g = 0; g < s.points; g++)
        s.first_slot[c * s.points + g] += offset, s.end_slot[c * s.points + g] += offset;
    }
  });
}

// ---- blending ------------------------------------------------------------------------------------------------------

struct Offsets {
  alignas(64) float x[LANES], y[LANES];
  Offsets() {
    for (int k = 0; k < LANES; k++) x[k] = k % BLOCK_WIDTH + 0.5f, y[k] = k / BLOCK_WIDTH + 0.5f;
  }
};
const Offsets OFFSETS;

struct Corner {
  int camera, column, row;
  Corner(const Scene& s, int tile)
      : camera(tile / s.tiles()), column(tile % s.tiles_across * TILE), row(tile / s.tiles_across % s.tiles_down * TILE) {}
};

// Call visit(k, pixel) for those lanes of a block that lie in the image.
template <class Visit>
inline void each_pixel(const Scene& s, const Corner& tile, int block, Visit visit) {
  int x0 = tile.column + block % ACROSS * BLOCK_WIDTH, y0 = tile.row + block / ACROSS * BLOCK_HEIGHT;
  for (int k = 0; k < LANES; k++) {
    int x = x0 + k % BLOCK_WIDTH, y = y0 + k / BLOCK_WIDTH;
    if (x < s.width && y < s.height) visit(k, (std::size_t(tile.camera) * s.height + y) * s.width + x);
  }
}

void blend_block(const Scene& s, const Corner& tile, int block, const int32_t* list, int count, const Pair* pairs,
                 float* T_left, float* ends, float* render, float* alphas) {
  V px = load(OFFSETS.x) + float(tile.column + block % ACROSS * BLOCK_WIDTH);
  V py = load(OFFSETS.y) + float(tile.row + block / ACROSS * BLOCK_HEIGHT);
  V zero = broadcast(0.0f), T = broadcast(1.0f), end = broadcast(1e9f), f0 = zero, f1 = zero, f2 = zero, f3 = zero;
  Mask open = greater_equal(zero, zero);
  for (int i = 0; i < count; i++) {
    const Splat& splat = s.splats[pairs[list[i]].splat];
    V dx = px - splat.x, dy = py - splat.y;
    V q0 = splat.l0 * dx + splat.l1 * dy, q1 = splat.l2 * dy;
    V e = splat.exponent - q0 * q0 - q1 * q1;
    V alpha = smaller_of(exp2_of_eighth(larger_of(e, broadcast(-1.0f))), broadcast(MAX_ALPHA));
    V w = zero_unless(greater_equal(e, broadcast(EXPONENT_CUT)) & open, alpha * T);
    V T_after = T - w;
    Mask stops = without(open, greater(T_after, broadcast(MIN_TRANSMITTANCE)));
    if (any(stops)) {
      end = choose(stops, broadcast(float(list[i])), end);
      open = without(open, stops);
      w = choose(stops, zero, w), T_after = choose(stops, T, T_after);
      if (!any(open)) i = count;
    }
    T = T_after;
    f0 += w * splat.features[0], f1 += w * splat.features[1];
    f2 += w * splat.features[2], f3 += w * splat.features[3];
  }
  alignas(64) float out[5][LANES];
  store(out[0], f0), store(out[1], f1), store(out[2], f2), store(out[3], f3), store(out[4], T);
  store(T_left, T), store(ends, end);
  each_pixel(s, tile, block, [&](int k, std::size_t pixel) {
    for (int f = 0; f < 4; f++) render[4 * pixel + f] = out[f][k];
    alphas[pixel] = 1.0f - out[4][k];
  });
}

void blend_tile(Scene& s, int index, std::vector<int32_t>& lists, float* render, float* alphas) {
  Corner tile(s, index);
  const Pair* pairs = s.pairs.data() + s.starts[index];
  int count = s.starts[index + 1] - s.starts[index], lengths[BLOCKS] = {};
  lists.resize(std::max(lists.size(), std::size_t(BLOCKS) * count));
  for (int i = 0; i < count; i++)
    for (int row = pairs[i].top; row <= pairs[i].bottom; row++)
      for (int b = row * ACROSS + pairs[i].left; b <= row * ACROSS + pairs[i].right; b++)
        lists[std::size_t(b) * count + lengths[b]++] = i;
  for (int b = 0; b < BLOCKS; b++) {
    std::size_t at = std::size_t(index) * PIXELS + b * LANES;
    blend_block(s, tile, b, lists.data() + std::size_t(b) * count, lengths[b], pairs, &s.transmittances[at],
                &s.ends[at], render, alphas);
  }
}

// ---- and back ------------------------------------------------------------------------------------------------------

struct alignas(64) Block {
  float T[LANES], behind[LANES], end[LANES], v[4][LANES], x[LANES], y[LANES];
};

// Take one splat off the blocks that it touches and fill its ten sums.
inline void unblend_pair(const Splat& splat, const Pair& pair, float index, Block* blocks, Slot& slot) {
  V zero = broadcast(0.0f), sums[12];
  for (V& sum : sums) sum = zero;
  for (int row = pair.top; row <= pair.bottom; row++)
    for (int b = row * ACROSS + pair.left; b <= row * ACROSS + pair.right; b++) {
      Block& block = blocks[b];
      V dx = load(block.x) - splat.x, dy = load(block.y) - splat.y;
      V q0 = splat.l0 * dx + splat.l1 * dy, q1 = splat.l2 * dy;
      V e = splat.exponent - q0 * q0 - q1 * q1;
      V alpha_free = exp2_of_eighth(larger_of(e, broadcast(-1.0f)));
      V alpha = smaller_of(alpha_free, broadcast(MAX_ALPHA));
      Mask used = greater_equal(e, broadcast(EXPONENT_CUT)) & greater(load(block.end), broadcast(index));
      V T = load(block.T), behind = load(block.behind), through = reciprocal(1.0f - alpha), T_before = T * through;
      V v0 = load(block.v[0]), v1 = load(block.v[1]), v2 = load(block.v[2]), v3 = load(block.v[3]);
      V dot = splat.features[0] * v0 + splat.features[1] * v1 + splat.features[2] * v2 + splat.features[3] * v3;
      V w = zero_unless(used, alpha * T_before);
      V g = zero_unless(used & greater_equal(broadcast(MAX_ALPHA), alpha_free),
                        alpha_free * (T_before * dot - behind * through));
      store(block.T, choose(used, T_before, T)), store(block.behind, behind + w * dot);
      V g0 = g * q0, g1 = g * q1;
      sums[0] += g, sums[1] += g0, sums[2] += g1;
      sums[3] += g0 * q0, sums[4] += g0 * q1, sums[5] += g1 * q1;
      sums[6] += w * v0, sums[7] += w * v1, sums[8] += w * v2, sums[9] += w * v3;
    }
  reduce(sums, slot.sums);
}

void unblend_tile(const Scene& s, int index, const float* v_render, const float* v_alphas, Slot* slots) {
  Corner tile(s, index);
  Block blocks[BLOCKS];
  const Pair* pairs = s.pairs.data() + s.starts[index];
  int count = s.starts[index + 1] - s.starts[index];
  float last = -1.0f;
  std::memset(blocks, 0, sizeof blocks);
  for (int b = 0; b < BLOCKS; b++) {
    Block& block = blocks[b];
    for (int k = 0; k < LANES; k++) {
      block.x[k] = tile.column + b % ACROSS * BLOCK_WIDTH + OFFSETS.x[k];
      block.y[k] = tile.row + b / ACROSS * BLOCK_HEIGHT + OFFSETS.y[k];
    }
    std::size_t at = std::size_t(index) * PIXELS + b * LANES;
    each_pixel(s, tile, b, [&](int k, std::size_t pixel) {
      block.T[k] = s.transmittances[at + k], block.end[k] = s.ends[at + k];
      last = std::max(last, block.end[k]);
      for (int f = 0; f < 4; f++) block.v[f][k] = v_render[4 * pixel + f];
      block.behind[k] = -block.T[k] * v_alphas[pixel];
    });
  }
  int used = int(std::min(last, float(count)));
  for (int i = used; i < count; i++) std::memset(&slots[pairs[i].slot], 0, sizeof(Slot));
  for (int i = used - 1; i >= 0; i--)
    unblend_pair(s.splats[pairs[i].splat], pairs[i], float(i), blocks, slots[pairs[i].slot]);
}

struct Gradients {
  float *means, *quats, *scales, *opacities, *colors;
};

void quaternion_gradient(const float* unit, float inverse_norm, const Vec (&v)[3], float* out) {
  float w = unit[0], x = unit[1], y = unit[2], z = unit[3];
  float vw = 2 * (x * (v[1].z - v[2].y) + y * (v[2].x - v[0].z) + z * (v[0].y - v[1].x));
  float vx = 2 * (y * (v[0].y + v[1].x) + z * (v[0].z + v[2].x) + w * (v[1].z - v[2].y) - 2 * x * (v[1].y + v[2].z));
  float vy = 2 * (x * (v[0].y + v[1].x) + z * (v[1].z + v[2].y) + w * (v[2].x - v[0].z) - 2 * y * (v[0].x + v[2].z));
  float vz = 2 * (x * (v[0].z + v[2].x) + y * (v[1].z + v[2].y) + w * (v[0].y - v[1].x) - 2 * z * (v[0].x + v[1].y));
  float along = vw * w + vx * x + vy * y + vz * z;
  out[0] = (vw - along * w) * inverse_norm, out[1] = (vx - along * x) * inverse_norm;
  out[2] = (vy - along * y) * inverse_norm, out[3] = (vz - along * z) * inverse_norm;
}

// Sum the slots of a range of Gaussians and back-propagate through their projection.
void gather_gradients(const Scene& s, int begin, int end, const Slot* slots, const Gradients& out) {
  for (int g = begin; g < end; g++) {
    float unit[4], inverse_norm, v_opacity = 0, v_color[3] = {};
    Rotation r = rotation(s.quats + 4 * g, unit, &inverse_norm);
    Vec mean{s.means[3 * g], s.means[3 * g + 1], s.means[3 * g + 2]}, v_mean{0, 0, 0}, v_columns[3] = {};
    const float* scale = s.scales + 3 * g;
    for (int c = 0; c < s.cameras; c++) {
      std::size_t index = std::size_t(c) * s.points + g;
      int first = s.first_slot[index], last = s.end_slot[index];
      if (first == last) continue;
      alignas(64) float sum[16] = {};
      for (int i = first; i < last; i++)
        for (int k = 0; k < 16; k++) sum[k] += slots[i].sums[k];
      const Camera& camera = s.lenses[c];
      Projected p = project(camera, mean, r, scale);
      float q0 = sum[1] / SCALE, q1 = sum[2] / SCALE;
      float s00 = sum[3] / (SCALE * SCALE), s01 = sum[4] / (SCALE * SCALE), s11 = sum[5] / (SCALE * SCALE);
      float v_x = p.l0 * q0, v_y = p.l1 * q0 + p.l2 * q1, v_depth = sum[9];
      v_opacity += sum[0];
      for (int k = 0; k < 3; k++) v_color[k] += sum[6 + k];
      // The covariance's gradient is L^T S L / 2 with S the sums of g q q^T.
      float gxx = 0.5f * p.l0 * p.l0 * s00, gxy = 0.5f * p.l0 * (p.l1 * s00 + p.l2 * s01);
      float gyy = 0.5f * (p.l1 * p.l1 * s00 + 2 * p.l1 * p.l2 * s01 + p.l2 * p.l2 * s11);
      Vec v_row_x{0, 0, 0}, v_row_y{0, 0, 0};
      for (int j = 0; j < 3; j++) {
        float v_ax = 2 * (gxx * p.ax[j] + gxy * p.ay[j]), v_ay = 2 * (gxy * p.ax[j] + gyy * p.ay[j]);
        v_row_x = v_row_x + (v_ax * scale[j]) * r.columns[j], v_row_y = v_row_y + (v_ay * scale[j]) * r.columns[j];
        v_columns[j] = v_columns[j] + v_ax * p.row_x + v_ay * p.row_y;
      }
      float fx = camera.fx * p.per_z, fy = camera.fy * p.per_z;
      float free_x = p.limited_x == p.slope_x, free_y = p.limited_y == p.slope_y;
      float v_fx = dot(v_row_x, camera.right), v_fy = dot(v_row_y, camera.down);
      float v_sx = dot(v_row_x, camera.forward), v_sy = dot(v_row_y, camera.forward);
      float vx = fx * (v_x - free_x * v_sx * p.per_z), vy = fy * (v_y - free_y * v_sy * p.per_z);
      float vz = v_depth - fx * (p.slope_x * v_x + (v_fx - (1 + free_x) * p.limited_x * v_sx) * p.per_z) -
                 fy * (p.slope_y * v_y + (v_fy - (1 + free_y) * p.limited_y * v_sy) * p.per_z);
      v_mean = v_mean + vx * camera.right + vy * camera.down + vz * camera.forward;
    }
    Vec v_rotation[3];
    for (int j = 0; j < 3; j++) {
      out.scales[3 * g + j] = dot(r.columns[j], v_columns[j]);
      v_rotation[j] = scale[j] * v_columns[j];
      out.colors[3 * g + j] = v_color[j];
    }
    quaternion_gradient(unit, inverse_norm, v_rotation, out.quats + 4 * g);
    out.means[3 * g] = v_mean.x, out.means[3 * g + 1] = v_mean.y, out.means[3 * g + 2] = v_mean.z;
    out.opacities[g] = s.opacities[g] > 0 ? v_opacity / s.opacities[g] : 0.0f;
  }
}

Camera read_camera(const float* m, const float* K, int width, int height) {
  Camera c{{m[0], m[1], m[2]}, {m[4], m[5], m[6]}, {m[8], m[9], m[10]}, {m[3], m[7], m[11]}, K[0], K[4], K[2], K[5]};
  c.low_x = -(c.cx + 0.15f * width) / c.fx, c.high_x = (1.15f * width - c.cx) / c.fx;
  c.low_y = -(c.cy + 0.15f * height) / c.fy, c.high_y = (1.15f * height - c.cy) / c.fy;
  return c;
}

}  // namespace

// Render; returns what backward needs. The five arrays of the Gaussians must outlive it.
// sizes: threads, Gaussians, cameras, width, height. render [C,H,W,4] is colours and summed depth; alphas [C,H,W].
extern "C" void* splat_forward(const int32_t* sizes, const float* means, const float* quats, const float* scales,
                               const float* opacities, const float* colors, const float* viewmats, const float* Ks,
                               float* render, float* alphas) {
  Scene* scene = new Scene;
  Scene& s = *scene;
  s.threads = sizes[0], s.points = sizes[1], s.cameras = sizes[2], s.width = sizes[3], s.height = sizes[4];
  s.tiles_across = (s.width + TILE - 1) / TILE, s.tiles_down = (s.height + TILE - 1) / TILE;
  s.means = means, s.quats = quats, s.scales = scales, s.opacities = opacities, s.colors = colors;
  for (int c = 0; c < s.cameras; c++)
    s.lenses.push_back(read_camera(viewmats + 16 * c, Ks + 9 * c, s.width, s.height));
  s.splats.resize(std::size_t(s.cameras) * s.points);
  in_parallel(s.threads, s.points, 1024, [&](int begin, int end) { project_range(s, begin, end); });
  bin(s);
  int tiles = s.cameras * s.tiles();
  s.transmittances.resize(std::size_t(tiles) * PIXELS), s.ends.resize(std::size_t(tiles) * PIXELS);
  in_parallel(s.threads, tiles, 1, [&](int begin, int end) {
    thread_local std::vector<int32_t> lists;
    for (int tile = begin; tile < end; tile++) blend_tile(s, tile, lists, render, alphas);
  });
  return scene;
}

// Fill all gradients, given those of render and alphas.
extern "C" void splat_backward(void* scene, const float* v_render, const float* v_alphas, float* v_means, float* v_quats,
                               float* v_scales, float* v_opacities, float* v_colors) {
  const Scene& s = *static_cast<Scene*>(scene);
  Array<Slot> slots(s.pairs.size());
  in_parallel(s.threads, s.cameras * s.tiles(), 1, [&](int begin, int end) {
    for (int tile = begin; tile < end; tile++) unblend_tile(s, tile, v_render, v_alphas, slots.data());
  });
  Gradients out{v_means, v_quats, v_scales, v_opacities, v_colors};
  in_parallel(s.threads, s.points, 1024, [&](int begin, int end) {
    gather_gradients(s, begin, end, slots.data(), out);
  });
}

extern "C" void splat_free(void* scene) { delete static_cast<Scene*>(scene); }
