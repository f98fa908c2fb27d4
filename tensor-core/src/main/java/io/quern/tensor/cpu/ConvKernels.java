package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Conv;

/**
 * Convolution as matrix products: the elements that a kernel sees become columns (im2col), so that
 * {@code y[n] = weight x columns[n]}; the gradients are the two other products of the same matrices.
 *
 * <p>Images are taken in blocks whose columns fill at most {@link #SCRATCH} floats (one image, if it needs more), which
 * bounds the memory and keeps small columns in the cache. Blocks follow from the shape alone, and so do the sums.
 */
final class ConvKernels {
    private static final int SCRATCH = 1 << 20;

    /** Elements of a copying task. */
    private static final int CHUNK = 1 << 14;

    private final Conv.Geometry geometry;
    private final int images;
    private final int channels;
    private final int height;
    private final int width;
    private final int outputs;
    private final int kernelH;
    private final int kernelW;
    private final int rows;
    private final int columns;

    /** Elements of a plane of y. */
    private final int places;

    /** Channels of a group, elements that the kernel of a group sees, outputs of a group. */
    private final int groupChannels;

    private final int seen;
    private final int groupOutputs;

    private ConvKernels(Conv op) {
        Shape x = op.x();
        Shape w = op.w();
        Shape y = op.y();
        geometry = op.geometry();
        images = x.dim(0);
        channels = x.dim(1);
        height = x.dim(2);
        width = x.dim(3);
        outputs = w.dim(0);
        groupChannels = w.dim(1);
        kernelH = w.dim(2);
        kernelW = w.dim(3);
        rows = y.dim(2);
        columns = y.dim(3);
        places = Math.multiplyExact(rows, columns);
        seen = Math.multiplyExact(groupChannels, Math.multiplyExact(kernelH, kernelW));
        groupOutputs = outputs / geometry.groups();
    }

    static void run(Conv op, Tensor[] in, Tensor out) {
        ConvKernels k = new ConvKernels(op);
        switch (op) {
            case Conv.Forward f -> k.forward(in[0].address(), in[1].address(), in[2], out.address());
            case Conv.InputGrad g -> k.inputGrad(in[0].address(), in[1].address(), out);
            case Conv.WeightGrad g -> k.weightGrad(in[0].address(), in[1].address(), out);
        }
    }

    private boolean isEmpty() {
        return images == 0 || outputs == 0 || seen == 0;
    }

    /** Images in a block. */
    private int block() {
        long one = (long) seen * geometry.groups() * places;
        return (int) Math.max(1, Math.min(images, SCRATCH / Math.max(1, one)));
    }

    private Tensor scratch(long floats) {
        return Tensor.empty(Device.CPU, DType.F32, Shape.of(Math.toIntExact(floats)));
    }

    private void forward(long x, long w, Tensor bias, long y) {
        int block = block();
        int groups = geometry.groups();
        long perImage = (long) seen * groups * places;
        try (Tensor scratch = scratch(isEmpty() ? 0 : block * perImage)) {
            long cols = scratch.address();
            for (int n = 0; n < images && !isEmpty(); n += block) {
                int some = Math.min(block, images - n);
                lower(x + 4L * n * channels * height * width, some, cols, places, perImage);
                for (int g = 0; g < groups; g++) {
                    Gemm.f32Batched(
                            some,
                            groupOutputs,
                            places,
                            seen,
                            w + 4L * g * groupOutputs * seen,
                            0,
                            seen,
                            1,
                            cols + 4L * g * seen * places,
                            perImage,
                            places,
                            1,
                            y + 4L * ((long) n * outputs + (long) g * groupOutputs) * places,
                            (long) outputs * places,
                            places,
                            0,
                            false);
                }
            }
        }
        if (bias != null || isEmpty()) {
            addBias(bias, y, isEmpty());
        }
    }

    private void addBias(Tensor bias, long y, boolean alone) {
        float[] b = new float[outputs];
        if (bias != null) {
            OffHeap.read(bias.address(), b, 0, outputs);
        }
        Workers.ranges((long) images * outputs, Math.max(1, CHUNK / places), (from, to) -> {
            float[] plane = new float[places];
            for (long p = from; p < to; p++) {
                float add = b[(int) (p % outputs)];
                if (!alone) {
                    OffHeap.read(y + 4 * p * places, plane, 0, places);
                }
                for (int i = 0; i < places; i++) {
                    plane[i] = alone ? add : plane[i] + add;
                }
                OffHeap.write(plane, 0, y + 4 * p * places, places);
            }
        });
    }

    private void inputGrad(long dy, long w, Tensor dx) {
        if (isEmpty()) {
            OffHeap.zero(dx.address(), 4 * dx.size());
            return;
        }
        int block = block();
        int groups = geometry.groups();
        long perImage = (long) seen * groups * places;
        try (Tensor scratch = scratch(block * perImage)) {
            long cols = scratch.address();
            for (int n = 0; n < images; n += block) {
                int some = Math.min(block, images - n);
                for (int g = 0; g < groups; g++) {
                    Gemm.f32Batched(
                            some,
                            seen,
                            places,
                            groupOutputs,
                            w + 4L * g * groupOutputs * seen,
                            0,
                            1,
                            seen,
                            dy + 4L * ((long) n * outputs + (long) g * groupOutputs) * places,
                            (long) outputs * places,
                            places,
                            1,
                            cols + 4L * g * seen * places,
                            perImage,
                            places,
                            0,
                            false);
                }
                raise(cols, some, dx.address() + 4L * n * channels * height * width, perImage);
            }
        }
    }

    /** The images of a block stand side by side, so that one product sums over all of them. */
    private void weightGrad(long x, long dy, Tensor dw) {
        OffHeap.zero(dw.address(), 4 * dw.size());
        if (isEmpty()) {
            return;
        }
        int block = block();
        int groups = geometry.groups();
        try (Tensor columnsOfX = scratch((long) block * seen * groups * places);
                Tensor side = scratch((long) block * outputs * places)) {
            for (int n = 0; n < images; n += block) {
                int some = Math.min(block, images - n);
                long row = (long) some * places;
                lower(x + 4L * n * channels * height * width, some, columnsOfX.address(), row, places);
                sideBySide(dy + 4L * n * outputs * places, some, side.address());
                for (int g = 0; g < groups; g++) {
                    Gemm.f32(
                            groupOutputs,
                            seen,
                            Math.toIntExact(row),
                            side.address() + 4L * g * groupOutputs * row,
                            row,
                            1,
                            columnsOfX.address() + 4L * g * seen * row,
                            1,
                            row,
                            dw.address() + 4L * g * groupOutputs * seen,
                            seen,
                            0,
                            true);
                }
            }
        }
    }

    /** From [some, outputs, places] to [outputs, some, places]. */
    private void sideBySide(long from, int some, long to) {
        Workers.ranges((long) some * outputs, Math.max(1, CHUNK / places), (first, end) -> {
            for (long p = first; p < end; p++) {
                long n = p / outputs;
                long o = p % outputs;
                OffHeap.copy(from + 4 * p * places, to + 4 * (o * some + n) * places, 4L * places);
            }
        });
    }

    /** First column of y whose kernel column, at {@code offset}, lies inside of x. */
    private int firstInside(int offset) {
        return Math.max(0, Math.ceilDiv(-offset, geometry.strideW()));
    }

    /** Past the last such column. */
    private int endInside(int offset) {
        return Math.clamp(Math.ceilDiv(width - offset, geometry.strideW()), 0, columns);
    }

    /** im2col: element (row, image, place) goes to {@code to + row * rowStride + image * imageStride + place}. */
    private void lower(long x, int some, long to, long rowStride, long imageStride) {
        int plane = height * width;
        int kernel = kernelH * kernelW;
        Workers.ranges((long) some * channels, Math.max(1, CHUNK / (kernel * places)), (from, end) -> {
            float[] source = new float[plane];
            float[] line = new float[places];
            for (long p = from; p < end; p++) {
                long n = p / channels;
                long c = p % channels;
                OffHeap.read(x + 4 * p * plane, source, 0, plane);
                for (int k = 0; k < kernel; k++) {
                    lowerLine(source, line, k / kernelW, k % kernelW);
                    OffHeap.write(line, 0, to + 4 * ((c * kernel + k) * rowStride + n * imageStride), places);
                }
            }
        });
    }

    private void lowerLine(float[] source, float[] line, int kernelRow, int kernelColumn) {
        int stride = geometry.strideW();
        int offset = kernelColumn * geometry.dilationW() - geometry.paddingW();
        int first = Math.min(columns, firstInside(offset));
        int end = Math.max(first, endInside(offset));
        for (int i = 0; i < rows; i++) {
            int row = i * geometry.strideH() - geometry.paddingH() + kernelRow * geometry.dilationH();
            int at = i * columns;
            if (row < 0 || row >= height) {
                java.util.Arrays.fill(line, at, at + columns, 0);
                continue;
            }
            java.util.Arrays.fill(line, at, at + first, 0);
            int base = row * width + offset;
            if (stride == 1) {
                System.arraycopy(source, base + first, line, at + first, end - first);
            } else {
                for (int j = first; j < end; j++) {
                    line[at + j] = source[base + j * stride];
                }
            }
            java.util.Arrays.fill(line, at + end, at + columns, 0);
        }
    }

    /** col2im: every element of x becomes the sum of the elements of the columns that stand for it. */
    private void raise(long cols, int some, long dx, long perImage) {
        int plane = height * width;
        int kernel = kernelH * kernelW;
        Workers.ranges((long) some * channels, Math.max(1, CHUNK / (kernel * places)), (from, end) -> {
            float[] target = new float[plane];
            float[] line = new float[places];
            for (long p = from; p < end; p++) {
                long n = p / channels;
                long c = p % channels;
                java.util.Arrays.fill(target, 0);
                for (int k = 0; k < kernel; k++) {
                    OffHeap.read(cols + 4 * (n * perImage + (c * kernel + k) * places), line, 0, places);
                    raiseLine(line, target, k / kernelW, k % kernelW);
                }
                OffHeap.write(target, 0, dx + 4 * p * plane, plane);
            }
        });
    }

    private void raiseLine(float[] line, float[] target, int kernelRow, int kernelColumn) {
        int stride = geometry.strideW();
        int offset = kernelColumn * geometry.dilationW() - geometry.paddingW();
        int first = Math.min(columns, firstInside(offset));
        int end = Math.max(first, endInside(offset));
        for (int i = 0; i < rows; i++) {
            int row = i * geometry.strideH() - geometry.paddingH() + kernelRow * geometry.dilationH();
            if (row < 0 || row >= height) {
                continue;
            }
            int base = row * width + offset;
            for (int j = first; j < end; j++) {
                target[base + j * stride] += line[i * columns + j];
            }
        }
    }
}
