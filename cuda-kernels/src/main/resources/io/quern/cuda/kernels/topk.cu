// The k largest numbers of each row and their places, best first, of equal ones the first, NaN before all.
//
// In rounds: a block sorts up to PART candidates of a row in shared memory (bitonic: 66 steps for 2048) and passes on its
// best k, until a row is one part. Candidates pass as places, and their values are read again, so nothing of a value is lost.
// 50257 logits and k up to 81 take two rounds, of 25 blocks and of one a row, bound by the steps of the sort. Places make
// all candidates different, so the result is the same whatever the rounds.
#include "common.cuh"

#define PART 2048
#define THREADS 512

// Unsigned integers in the order of the numbers; -0 equals 0.
__device__ __forceinline__ u32 order_of(float x) {
    u32 bits = bits_of(x);
    return x != x ? 0xFFFFFFFFu : x == 0 ? 0x80000000u : bits >> 31 ? ~bits : bits | 0x80000000u;
}

__device__ __forceinline__ u64 order_of(double x) {
    union {
        double d;
        u64 u;
    } c;
    c.d = x;
    u64 sign = (u64)1 << 63;
    return x != x ? ~(u64)0 : x == 0 ? sign : c.u & sign ? ~c.u : c.u | sign;
}

template <class T>
struct Ordered {
    typedef u32 type;
    static __device__ __forceinline__ u32 at(const T *x, i64 i) {
        return order_of(load(x, i));
    }
};
template <>
struct Ordered<double> {
    typedef u64 type;
    static __device__ __forceinline__ u64 at(const double *x, i64 i) {
        return order_of(x[i]);
    }
};
template <>
struct Ordered<int> {
    typedef u32 type;
    static __device__ __forceinline__ u32 at(const int *x, i64 i) {
        return (u32)x[i] ^ 0x80000000u;
    }
};

// Sorts `size` candidates, a power of two, by bitonic merges. In a step of distance 32 or less a warp stays within 64
// candidates of its own, so that its lanes need wait for nobody else; with 32 candidates or fewer one warp does all.
template <class O>
__device__ void sort(O *order, u32 *place, int size) {
    for (int width = 2; width <= size; width *= 2) {
        for (int distance = width / 2; distance > 0; distance /= 2) {
            for (int pair = threadIdx.x; pair < size / 2; pair += THREADS) {
                int i = 2 * pair - (pair & (distance - 1));
                int j = i + distance;
                bool later_first = order[j] > order[i] || (order[j] == order[i] && place[j] < place[i]);
                if (later_first == ((i & width) == 0)) {
                    O o = order[i];
                    order[i] = order[j];
                    order[j] = o;
                    u32 p = place[i];
                    place[i] = place[j];
                    place[j] = p;
                }
            }
            int next = distance > 1 ? distance / 2 : width;
            if (distance > 32 || next > 32) {
                __syncthreads();
            } else {
                __syncwarp();
            }
        }
    }
}

// Of `count` candidates in each row, at the places `from` or all of them, each part of PART passes on its best k. Values are
// written where they are wanted, which is in the last round.
template <class T>
__device__ void topk(
        const T *x, const int *from, i64 rows, i64 n, i64 count, int k, T *values, int *places) {
    typedef typename Ordered<T>::type O;
    __shared__ O order[PART];
    __shared__ u32 place[PART];
    i64 parts = (count + PART - 1) / PART;
    i64 last = count - (parts - 1) * PART;
    i64 passed = (parts - 1) * k + (k < last ? k : last);
    for (i64 item = blockIdx.x; item < rows * parts; item += gridDim.x) {
        i64 row = item / parts;
        i64 part = item % parts;
        int m = part == parts - 1 ? (int)last : PART;
        int size = 1;
        while (size < m) {
            size *= 2;
        }
        for (int i = threadIdx.x; i < size; i += THREADS) {
            O o = 0;
            u32 p = 0xFFFFFFFFu;
            if (i < m) {
                i64 candidate = part * PART + i;
                p = from ? (u32)from[row * count + candidate] : (u32)candidate;
                o = Ordered<T>::at(x, row * n + p);
            }
            order[i] = o;
            place[i] = p;
        }
        __syncthreads();
        sort(order, place, size);
        i64 to = row * passed + part * k;
        for (int i = threadIdx.x; i < (k < m ? k : m); i += THREADS) {
            places[to + i] = (int)place[i];
            if (values) {
                values[to + i] = x[row * n + place[i]];
            }
        }
    }
}

#define TOPK(T, t)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(THREADS) topk_##t(                                                    \
            const T *x, const int *from, i64 rows, i64 n, i64 count, int k, T *values, int *places) {                  \
        topk(x, from, rows, n, count, k, values, places);                                                              \
    }

FOR_NUMBERS(TOPK)
