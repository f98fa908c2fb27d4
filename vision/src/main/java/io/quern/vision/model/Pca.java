package io.quern.vision.model;

import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.util.Arrays;
import java.util.function.Supplier;

/**
 * Principal component analysis by randomised subspace iteration: the yardstick of autoencoders. Source: Halko, Martinsson
 * and Tropp, "Finding structure with randomness" (2011), algorithm 4.4; a few more directions than asked for, and power
 * steps with orthonormalisation until the variances stand still.
 */
public final class Pca {
    private static final int OVERSAMPLING = 10;
    private static final int MOST_STEPS = 60;
    private static final double CONVERGED = 1e-9;

    private final float[] mean;
    private final float[] components;
    private final double[] variances;
    private final double totalVariance;

    private Pca(float[] mean, float[] components, double[] variances, double totalVariance) {
        this.mean = mean;
        this.components = components;
        this.variances = variances;
        this.totalVariance = totalVariance;
    }

    /**
     * Fits the rows of data [N, D].
     *
     * @param count of components, at most N and D
     * @param seed of the first directions
     * @throws TensorException if there are fewer rows or columns than components, or one row only
     */
    public static Pca fit(Tensor data, int count, long seed) {
        if (data.shape().rank() != 2 || data.dim(0) < 2 || count < 1 || count > Math.min(data.dim(0), data.dim(1))) {
            throw new TensorException("pca: " + count + " components need as many rows and columns, and at least two"
                    + " rows; got " + data.describe());
        }
        return quietly(() -> {
            Tensor mean = data.mean(0);
            Tensor centred = data.sub(mean);
            int d = data.dim(1);
            int width = Math.min(Math.min(data.dim(0), d), count + OVERSAMPLING);
            double freedom = data.dim(0) - 1;
            double total = Arrays.stream(centred.square().sum(0).toDoubles()).sum() / freedom;
            double[][] basis = orthonormal(rows(Tensor.randn(new Rng(seed), 1, width, d)));
            double[] before = new double[width];
            Rotated rotated = null;
            for (int step = 0; step < MOST_STEPS; step++) {
                double[][] q = basis;
                // Rows of q times the covariance: (q X^T) X.
                double[][] image = Scope.run(() -> {
                    Tensor codes = tensor(q).matmul(centred.transpose(0, 1));
                    return rows(codes.matmul(centred));
                });
                rotated = rotate(q, image, freedom);
                double change = 0;
                for (int i = 0; i < count; i++) {
                    change = Math.max(change, Math.abs(rotated.variances[i] - before[i]));
                }
                before = rotated.variances;
                if (change <= CONVERGED * before[0]) {
                    break;
                }
                basis = orthonormal(image);
            }
            float[] components = new float[count * d];
            for (int i = 0; i < count; i++) {
                for (int k = 0; k < d; k++) {
                    components[i * d + k] = (float) rotated.directions[i][k];
                }
            }
            return new Pca(mean.toFloats(), components, Arrays.copyOf(before, count), total);
        });
    }

    private static <T> T quietly(Supplier<T> body) {
        return Scope.run(() -> Tape.noGrad(body::get));
    }

    private static double[][] rows(Tensor t) {
        double[] all = t.toDoubles();
        double[][] rows = new double[t.dim(0)][];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = Arrays.copyOfRange(all, i * t.dim(1), (i + 1) * t.dim(1));
        }
        return rows;
    }

    private static Tensor tensor(double[][] rows) {
        int d = rows[0].length;
        float[] all = new float[rows.length * d];
        for (int i = 0; i < all.length; i++) {
            all[i] = (float) rows[i / d][i % d];
        }
        return Tensor.of(all, rows.length, d);
    }

    /** Gram-Schmidt, twice, which makes up for what rounding leaves the first time. */
    private static double[][] orthonormal(double[][] rows) {
        double[][] q = new double[rows.length][];
        for (int i = 0; i < q.length; i++) {
            q[i] = rows[i].clone();
            for (int pass = 0; pass < 2; pass++) {
                for (int j = 0; j < i; j++) {
                    add(q[i], q[j], -dot(q[i], q[j]));
                }
                double norm = Math.sqrt(dot(q[i], q[i]));
                for (int k = 0; norm > 0 && k < q[i].length; k++) {
                    q[i][k] /= norm;
                }
            }
        }
        return q;
    }

    private static double dot(double[] a, double[] b) {
        double s = 0;
        for (int i = 0; i < a.length; i++) {
            s += a[i] * b[i];
        }
        return s;
    }

    private static void add(double[] to, double[] x, double factor) {
        for (int i = 0; i < to.length; i++) {
            to[i] += factor * x[i];
        }
    }

    private record Rotated(double[][] directions, double[] variances) {}

    /** The eigenvectors of the covariance within the span of the basis, by Jacobi rotations; largest variance first. */
    private static Rotated rotate(double[][] q, double[][] image, double freedom) {
        int n = q.length;
        double[][] a = new double[n][n];
        double[][] v = new double[n][n];
        for (int i = 0; i < n; i++) {
            v[i][i] = 1;
            for (int j = 0; j <= i; j++) {
                a[i][j] = a[j][i] = (dot(q[i], image[j]) + dot(q[j], image[i])) / 2 / freedom;
            }
        }
        for (int sweep = 0; sweep < 30; sweep++) {
            double off = 0;
            for (int i = 0; i < n; i++) {
                for (int j = 0; j < i; j++) {
                    off += a[i][j] * a[i][j];
                    jacobi(a, v, j, i);
                }
            }
            if (off < 1e-24 * a[0][0] * a[0][0]) {
                break;
            }
        }
        Integer[] order = new Integer[n];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, (x, y) -> Double.compare(a[y][y], a[x][x]));
        double[][] directions = new double[n][q[0].length];
        double[] variances = new double[n];
        for (int i = 0; i < n; i++) {
            variances[i] = a[order[i]][order[i]];
            for (int j = 0; j < n; j++) {
                add(directions[i], q[j], v[j][order[i]]);
            }
        }
        return new Rotated(directions, variances);
    }

    /** Makes a[p][r] 0. */
    private static void jacobi(double[][] a, double[][] v, int p, int r) {
        if (a[p][r] == 0) {
            return;
        }
        double theta = (a[r][r] - a[p][p]) / (2 * a[p][r]);
        double t = Math.copySign(1, theta) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        double c = 1 / Math.sqrt(t * t + 1);
        double s = t * c;
        for (int k = 0; k < a.length; k++) {
            double x = a[k][p];
            double y = a[k][r];
            a[k][p] = c * x - s * y;
            a[k][r] = s * x + c * y;
        }
        for (int k = 0; k < a.length; k++) {
            double x = a[p][k];
            double y = a[r][k];
            a[p][k] = c * x - s * y;
            a[r][k] = s * x + c * y;
            x = v[k][p];
            y = v[k][r];
            v[k][p] = c * x - s * y;
            v[k][r] = s * x + c * y;
        }
    }

    /** Variance along each component (with N - 1), largest first. */
    public double[] variances() {
        return variances.clone();
    }

    /** Variance of the data, over all dimensions. */
    public double totalVariance() {
        return totalVariance;
    }

    /** Coordinates [N, components] of the rows of data [N, D]. */
    public Tensor encode(Tensor data) {
        int d = mean.length;
        return data.sub(Tensor.of(mean, d))
                .matmul(Tensor.of(components, variances.length, d).transpose(0, 1));
    }

    /** The rows [N, D] that have these coordinates [N, components]. */
    public Tensor decode(Tensor codes) {
        int d = mean.length;
        return codes.matmul(Tensor.of(components, variances.length, d), Tensor.of(mean, d));
    }

    /** Mean squared difference, over all elements, of data [N, D] and what its coordinates say. */
    public double reconstructionError(Tensor data) {
        return quietly(() -> data.sub(decode(encode(data))).square().mean().item());
    }
}
