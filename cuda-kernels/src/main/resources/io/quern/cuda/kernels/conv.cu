// Convolution and pooling of planes [N, C, H, W], forward and backward: the definitions, a thread an element of the result.
//
// Every gradient gathers, so nothing is added atomically. These are the right answers, not fast ones: each element of the
// result reads all that it depends on from the caches.
#include "common.cuh"

struct Planes {
    i64 images, channels, height, width;
    i64 outputs, out_height, out_width;
    i64 kernel_h, kernel_w;
    i64 stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w, groups;
};

template <class T>
__device__ void conv(Planes s, const T *x, const T *w, const T *bias, T *y) {
    typedef typename Math<T>::type M;
    i64 per_group = s.channels / s.groups;
    FOR_EACH(at, s.images * s.outputs * s.out_height * s.out_width) {
        i64 j = at % s.out_width;
        i64 i = at / s.out_width % s.out_height;
        i64 o = at / (s.out_width * s.out_height) % s.outputs;
        i64 n = at / (s.out_width * s.out_height * s.outputs);
        i64 first = o / (s.outputs / s.groups) * per_group;
        M sum = bias ? (M)load(bias, o) : (M)0;
        for (i64 c = 0; c < per_group; c++) {
            for (i64 u = 0; u < s.kernel_h; u++) {
                for (i64 v = 0; v < s.kernel_w; v++) {
                    i64 row = i * s.stride_h - s.padding_h + u * s.dilation_h;
                    i64 column = j * s.stride_w - s.padding_w + v * s.dilation_w;
                    if (row >= 0 && row < s.height && column >= 0 && column < s.width) {
                        sum += load(x, ((n * s.channels + first + c) * s.height + row) * s.width + column)
                                * load(w, ((o * per_group + c) * s.kernel_h + u) * s.kernel_w + v);
                    }
                }
            }
        }
        store(y, at, sum);
    }
}

template <class T>
__device__ void conv_input_grad(Planes s, const T *dy, const T *w, T *dx) {
    typedef typename Math<T>::type M;
    i64 per_group = s.channels / s.groups;
    i64 outputs_per_group = s.outputs / s.groups;
    FOR_EACH(at, s.images * s.channels * s.height * s.width) {
        i64 column = at % s.width;
        i64 row = at / s.width % s.height;
        i64 c = at / (s.width * s.height) % s.channels;
        i64 n = at / (s.width * s.height * s.channels);
        i64 group = c / per_group;
        M sum = 0;
        for (i64 o = group * outputs_per_group; o < (group + 1) * outputs_per_group; o++) {
            for (i64 u = 0; u < s.kernel_h; u++) {
                i64 i = row + s.padding_h - u * s.dilation_h;
                for (i64 v = 0; v < s.kernel_w; v++) {
                    i64 j = column + s.padding_w - v * s.dilation_w;
                    if (i >= 0 && j >= 0 && i % s.stride_h == 0 && j % s.stride_w == 0 && i / s.stride_h < s.out_height
                            && j / s.stride_w < s.out_width) {
                        sum += load(dy, ((n * s.outputs + o) * s.out_height + i / s.stride_h) * s.out_width
                                        + j / s.stride_w)
                                * load(w, ((o * per_group + c % per_group) * s.kernel_h + u) * s.kernel_w + v);
                    }
                }
            }
        }
        store(dx, at, sum);
    }
}

template <class T>
__device__ void conv_weight_grad(Planes s, const T *x, const T *dy, T *dw) {
    typedef typename Math<T>::type M;
    i64 per_group = s.channels / s.groups;
    FOR_EACH(at, s.outputs * per_group * s.kernel_h * s.kernel_w) {
        i64 v = at % s.kernel_w;
        i64 u = at / s.kernel_w % s.kernel_h;
        i64 c = at / (s.kernel_w * s.kernel_h) % per_group;
        i64 o = at / (s.kernel_w * s.kernel_h * per_group);
        i64 channel = o / (s.outputs / s.groups) * per_group + c;
        M sum = 0;
        for (i64 n = 0; n < s.images; n++) {
            for (i64 i = 0; i < s.out_height; i++) {
                i64 row = i * s.stride_h - s.padding_h + u * s.dilation_h;
                for (i64 j = 0; row >= 0 && row < s.height && j < s.out_width; j++) {
                    i64 column = j * s.stride_w - s.padding_w + v * s.dilation_w;
                    if (column >= 0 && column < s.width) {
                        sum += load(x, ((n * s.channels + channel) * s.height + row) * s.width + column)
                                * load(dy, ((n * s.outputs + o) * s.out_height + i) * s.out_width + j);
                    }
                }
            }
        }
        store(dw, at, sum);
    }
}

// Windows along an axis: sliding ones, or with a kernel of 0 a given number that covers the axis.
struct Axis {
    i64 size, count, kernel, stride, padding, count_padding;
};

__device__ __forceinline__ i64 first_of(const Axis &a, i64 i) {
    i64 at = a.kernel == 0 ? i * a.size / a.count : i * a.stride - a.padding;
    return at < 0 ? 0 : at;
}

__device__ __forceinline__ i64 end_of(const Axis &a, i64 i) {
    i64 at = a.kernel == 0 ? ((i + 1) * a.size + a.count - 1) / a.count : i * a.stride - a.padding + a.kernel;
    return at < a.size ? at : a.size;
}

__device__ __forceinline__ i64 divisor_of(const Axis &a, i64 i) {
    return a.kernel != 0 && a.count_padding ? a.kernel : end_of(a, i) - first_of(a, i);
}

// The largest of each window, NaN if one is, and where it lies in its plane.
template <class T>
__device__ void max_pool(Axis rows, Axis columns, const T *x, T *y, int *where, i64 n) {
    typedef typename Math<T>::type M;
    FOR_EACH(at, n) {
        i64 base = at / (rows.count * columns.count) * rows.size * columns.size;
        i64 i = at / columns.count % rows.count;
        i64 j = at % columns.count;
        i64 best = first_of(rows, i) * columns.size + first_of(columns, j);
        M largest = load(x, base + best);
        for (i64 r = first_of(rows, i); r < end_of(rows, i); r++) {
            for (i64 c = first_of(columns, j); c < end_of(columns, j); c++) {
                M v = load(x, base + r * columns.size + c);
                if (v > largest || v != v) {
                    largest = v;
                    best = r * columns.size + c;
                }
            }
        }
        store(y, at, largest);
        where[at] = (int)best;
    }
}

// Each element gathers from the windows that cover it. The largest elements lie in their windows.
template <class T>
__device__ void max_pool_grad(Axis rows, Axis columns, const T *dy, const int *where, T *dx, i64 n) {
    typedef typename Math<T>::type M;
    FOR_EACH(at, n) {
        i64 plane = at / (rows.size * columns.size);
        i64 inside = at % (rows.size * columns.size);
        i64 r = inside / columns.size;
        i64 c = inside % columns.size;
        M sum = 0;
        for (i64 i = 0; i < rows.count; i++) {
            for (i64 j = 0; r >= first_of(rows, i) && r < end_of(rows, i) && j < columns.count; j++) {
                i64 y = (plane * rows.count + i) * columns.count + j;
                if (c >= first_of(columns, j) && c < end_of(columns, j) && where[y] == inside) {
                    sum += load(dy, y);
                }
            }
        }
        store(dx, at, sum);
    }
}

template <class T>
__device__ void avg_pool(Axis rows, Axis columns, const T *x, T *y, i64 n) {
    typedef typename Math<T>::type M;
    FOR_EACH(at, n) {
        i64 base = at / (rows.count * columns.count) * rows.size * columns.size;
        i64 i = at / columns.count % rows.count;
        i64 j = at % columns.count;
        M sum = 0;
        for (i64 r = first_of(rows, i); r < end_of(rows, i); r++) {
            for (i64 c = first_of(columns, j); c < end_of(columns, j); c++) {
                sum += load(x, base + r * columns.size + c);
            }
        }
        store(y, at, sum / (M)(divisor_of(rows, i) * divisor_of(columns, j)));
    }
}

template <class T>
__device__ void avg_pool_grad(Axis rows, Axis columns, const T *dy, T *dx, i64 n) {
    typedef typename Math<T>::type M;
    FOR_EACH(at, n) {
        i64 plane = at / (rows.size * columns.size);
        i64 r = at / columns.size % rows.size;
        i64 c = at % columns.size;
        M sum = 0;
        for (i64 i = 0; i < rows.count; i++) {
            for (i64 j = 0; r >= first_of(rows, i) && r < end_of(rows, i) && j < columns.count; j++) {
                if (c >= first_of(columns, j) && c < end_of(columns, j)) {
                    sum += load(dy, (plane * rows.count + i) * columns.count + j)
                            / (M)(divisor_of(rows, i) * divisor_of(columns, j));
                }
            }
        }
        store(dx, at, sum);
    }
}

#define CONV(T, t)                                                                                                     \
    extern "C" __global__ void conv_##t(Planes s, const T *x, const T *w, const T *bias, T *y) {                       \
        conv(s, x, w, bias, y);                                                                                        \
    }                                                                                                                  \
    extern "C" __global__ void conv_input_grad_##t(Planes s, const T *dy, const T *w, T *dx) {                         \
        conv_input_grad(s, dy, w, dx);                                                                                 \
    }                                                                                                                  \
    extern "C" __global__ void conv_weight_grad_##t(Planes s, const T *x, const T *dy, T *dw) {                        \
        conv_weight_grad(s, x, dy, dw);                                                                                \
    }                                                                                                                  \
    extern "C" __global__ void max_pool_##t(Axis rows, Axis columns, const T *x, T *y, int *where, i64 n) {            \
        max_pool(rows, columns, x, y, where, n);                                                                       \
    }                                                                                                                  \
    extern "C" __global__ void max_pool_grad_##t(                                                                      \
            Axis rows, Axis columns, const T *dy, const int *where, T *dx, i64 n) {                                    \
        max_pool_grad(rows, columns, dy, where, dx, n);                                                                \
    }                                                                                                                  \
    extern "C" __global__ void avg_pool_##t(Axis rows, Axis columns, const T *x, T *y, i64 n) {                        \
        avg_pool(rows, columns, x, y, n);                                                                              \
    }                                                                                                                  \
    extern "C" __global__ void avg_pool_grad_##t(Axis rows, Axis columns, const T *dy, T *dx, i64 n) {                 \
        avg_pool_grad(rows, columns, dy, dx, n);                                                                       \
    }

FOR_FLOATING(CONV)
