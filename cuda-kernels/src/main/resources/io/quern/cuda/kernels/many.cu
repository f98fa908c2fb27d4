// Copies, casts and sums of many independent tensors in one launch, for what comes in rows of small launches: the casts of
// mixed precision, the key-value caches of a token, the slices that a gradient is made of, gradients of micro-batches.
#include "tensors.cuh"

// Matrices of `columns` side by side, their rows `from_stride` and `to_stride` elements apart. Bits are moved as they are.
template <class T>
__device__ __forceinline__ void copy_many(const Tensors &t) {
    const int W = Per<T>::chunk;
    i64 chunks = chunks_of(t);
    for (i64 chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
        int e = entry_of(t, chunk);
        i64 n = t.word[e + ELEMENTS];
        i64 from = start_of(t, e, chunk);
        i64 to = n < from + CHUNK ? n : from + CHUNK;
        const T *source = (const T *)t.word[e + ADDRESS];
        T *target = (T *)t.word[e + ADDRESS + 1];
        i64 columns = t.word[e + ADDRESS + 2];
        i64 from_stride = t.word[e + ADDRESS + 3];
        i64 to_stride = t.word[e + ADDRESS + 4];
        bool one = columns >= n;
        bool wide = is_aligned(source) && is_aligned(target)
                && (one || (columns % W == 0 && from_stride % W == 0 && to_stride % W == 0));
        i64 whole = wide ? (to - from) / W * W : 0;
        for (i64 i = from + (i64)threadIdx.x * W; i < from + whole; i += (i64)blockDim.x * W) {
            i64 row = one ? 0 : n <= 0xFFFFFFFFLL ? (u32)i / (u32)columns : i / columns;
            i64 column = i - row * columns;
            store_chunk(target + row * to_stride + column, load_chunk(source + row * from_stride + column));
        }
        for (i64 i = from + whole + threadIdx.x; i < to; i += blockDim.x) {
            i64 row = one ? 0 : i / columns;
            i64 column = i - row * columns;
            target[row * to_stride + column] = source[row * from_stride + column];
        }
    }
}

#define COPY(T, t)                                                                                                     \
    extern "C" __global__ void copy_many_##t(const Tensors tensors) { copy_many<T>(tensors); }

FOR_BYTES(COPY)

// Rounded once. A float is rounded as it is, with the result that its way through float64 would give.
template <class U>
__device__ __forceinline__ void store_cast(U *y, i64 i, float x) { store(y, i, x); }
template <class U>
__device__ __forceinline__ void store_cast(U *y, i64 i, double x) { store_once(y, i, x); }
__device__ __forceinline__ void store_cast(double *y, i64 i, float x) { y[i] = x; }

template <class T, int W>
struct Run {
    union {
        Chunk chunk[W * sizeof(T) / 16];
        T at[W];
    };
};

template <class T, class U>
__device__ __forceinline__ void cast_many(const Tensors &t) {
    const int W = 16 / (sizeof(T) < sizeof(U) ? sizeof(T) : sizeof(U));
    i64 chunks = chunks_of(t);
    for (i64 chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
        int e = entry_of(t, chunk);
        i64 from = start_of(t, e, chunk);
        i64 to = t.word[e + ELEMENTS] < from + CHUNK ? t.word[e + ELEMENTS] : from + CHUNK;
        const T *x = (const T *)t.word[e + ADDRESS];
        U *y = (U *)t.word[e + ADDRESS + 1];
        i64 whole = is_aligned(x) && is_aligned(y) ? (to - from) / W * W : 0;
        for (i64 i = from + (i64)threadIdx.x * W; i < from + whole; i += (i64)blockDim.x * W) {
            Run<T, W> in;
            Run<U, W> out;
            for (int c = 0; c < (int)(W * sizeof(T) / 16); c++) {
                in.chunk[c] = load_chunk(x + i + c * Per<T>::chunk);
            }
            for (int k = 0; k < W; k++) {
                store_cast(out.at, k, load(in.at, k));
            }
            for (int c = 0; c < (int)(W * sizeof(U) / 16); c++) {
                store_chunk(y + i + c * Per<U>::chunk, out.chunk[c]);
            }
        }
        for (i64 i = from + whole + threadIdx.x; i < to; i += blockDim.x) {
            store_cast(y, i, load(x, i));
        }
    }
}

#define CAST(T, t, U, u)                                                                                               \
    extern "C" __global__ void cast_many_##t##_##u(const Tensors tensors) { cast_many<T, U>(tensors); }

CAST(float, f32, bf16, bf16)
CAST(float, f32, f16, f16)
CAST(bf16, bf16, float, f32)
CAST(f16, f16, float, f32)
CAST(float, f32, double, f64)
CAST(double, f64, float, f32)

// target += factor * source.
template <class T>
__device__ __forceinline__ void accumulate_many(const Tensors &t) {
    typedef typename Math<T>::type M;
    const int W = Per<T>::chunk;
    i64 chunks = chunks_of(t);
    for (i64 chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
        int e = entry_of(t, chunk);
        i64 from = start_of(t, e, chunk);
        i64 to = t.word[e + ELEMENTS] < from + CHUNK ? t.word[e + ELEMENTS] : from + CHUNK;
        M factor = (M)double_of(t.word[e + FACTOR]);
        const T *source = (const T *)t.word[e + ADDRESS];
        T *target = (T *)t.word[e + ADDRESS + 1];
        i64 whole = is_aligned(source) && is_aligned(target) ? (to - from) / W * W : 0;
        for (i64 i = from + (i64)threadIdx.x * W; i < from + whole; i += (i64)blockDim.x * W) {
            Pack<T> x;
            Pack<T> y;
            x.chunk = load_chunk(source + i);
            y.chunk = load_chunk(target + i);
            for (int k = 0; k < W; k++) {
                store(y.at, k, load(y.at, k) + factor * load(x.at, k));
            }
            store_chunk(target + i, y.chunk);
        }
        for (i64 i = from + whole + threadIdx.x; i < to; i += blockDim.x) {
            store(target, i, load(target, i) + factor * load(source, i));
        }
    }
}

#define ACCUMULATE(T, t)                                                                                               \
    extern "C" __global__ void accumulate_many_##t(const Tensors tensors) { accumulate_many<T>(tensors); }

FOR_FLOATING(ACCUMULATE)
