// The functions of cuBLAS that we call, as plain loops over column-major matrices, for the emulated device.
#include "cuemu.h"

extern "C" {

int cublasCreate_v2(void **handle) {
    *handle = (void *)0x30;
    return 0;
}

int cublasDestroy_v2(void *) {
    return 0;
}

int cublasSetStream_v2(void *, void *) {
    return 0;
}

int cublasGetVersion_v2(void *, int *version) {
    *version = 120000;
    return 0;
}

static double get(const void *p, int type, long long i) {
    switch (type) {
        case 0: return ((const float *)p)[i];
        case 1: return ((const double *)p)[i];
        case 2: return half_to_float(((const unsigned short *)p)[i]);
        default: {
            unsigned bits = (unsigned)((const unsigned short *)p)[i] << 16;
            float f;
            std::memcpy(&f, &bits, 4);
            return f;
        }
    }
}

static void set(void *p, int type, long long i, double x) {
    float f = (float)x;
    unsigned b;
    std::memcpy(&b, &f, 4);
    switch (type) {
        case 0: ((float *)p)[i] = f; break;
        case 1: ((double *)p)[i] = x; break;
        case 2: ((unsigned short *)p)[i] = float_to_half(f); break;
        default: ((unsigned short *)p)[i] = f != f ? 0x7FC0 : (unsigned short)((b + 0x7FFF + (b >> 16 & 1)) >> 16);
    }
}

int cublasGemmStridedBatchedEx(void *, int trans_a, int trans_b, int m, int n, int k, const void *alpha, const void *a,
        int type_a, int lda, long long stride_a, const void *b, int type_b, int ldb, long long stride_b,
        const void *beta, void *c, int type_c, int ldc, long long stride_c, int batch, int compute, int) {
    bool wide = compute == 70;
    if ((!wide && compute != 68 && compute != 77) || lda < (trans_a ? k : m) || ldb < (trans_b ? n : k) || ldc < m) {
        return 7;
    }
    double scale = wide ? *(const double *)alpha : *(const float *)alpha;
    double keep = wide ? *(const double *)beta : *(const float *)beta;
    for (int z = 0; z < batch; z++) {
        for (int j = 0; j < n; j++) {
            for (int i = 0; i < m; i++) {
                double sum = 0;
                for (int p = 0; p < k; p++) {
                    long long at = trans_a ? p + (long long)i * lda : i + (long long)p * lda;
                    long long bt = trans_b ? j + (long long)p * ldb : p + (long long)j * ldb;
                    sum += get(a, type_a, z * stride_a + at) * get(b, type_b, z * stride_b + bt);
                }
                long long ct = z * stride_c + i + (long long)j * ldc;
                set(c, type_c, ct, scale * sum + (keep == 0 ? 0 : keep * get(c, type_c, ct)));
            }
        }
    }
    return 0;
}
}
