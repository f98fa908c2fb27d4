package io.quern.vision;

import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.train.data.Batches;
import io.quern.vision.data.AutoencoderBatch;
import io.quern.vision.data.ImageBatches;
import io.quern.vision.model.Autoencoder;
import io.quern.vision.model.Pca;

/**
 * How far pictures are from what an autoencoder makes of them: means over all pixels of squared differences, of pixels from
 * 0 to 1.
 *
 * @param error of the pictures that come out
 * @param ofInput of those that went in: 0 where nothing was done to them
 * @param pictures how many were measured
 */
public record ReconstructionError(double error, double ofInput, long pictures) {
    /** The most pictures that principal components are fitted to. */
    private static final int MOST_FITTED = 20_000;

    /** Reconstructs one pass over the data. */
    public static ReconstructionError of(Autoencoder model, Batches<AutoencoderBatch> data) {
        double[] sums = new double[3];
        for (long i = 0; i < data.perEpoch(); i++) {
            long index = i;
            Scope.run(() -> Tape.noGrad(() -> {
                AutoencoderBatch batch = data.batch(index);
                Tensor target = batch.target();
                int n = target.dim(0);
                sums[0] += n
                        * model.reconstruct(batch.input())
                                .sub(target)
                                .square()
                                .mean()
                                .item();
                sums[1] += n * batch.input().sub(target).square().mean().item();
                sums[2] += n;
                return null;
            }));
        }
        return new ReconstructionError(sums[0] / sums[2], sums[1] / sums[2], (long) sums[2]);
    }

    /** As many principal components of a data set as fit it, at most {@code count}; of its first 20,000 pictures. */
    public static Pca components(ImageBatches all, int count, long seed) {
        return Scope.run(() -> Tape.noGrad(() -> {
            Tensor x = all.first(MOST_FITTED).pixels();
            Tensor rows = x.reshape(x.dim(0), -1);
            return Pca.fit(rows, Math.min(count, Math.min(rows.dim(0), rows.dim(1))), seed);
        }));
    }

    /** The error of principal components on one pass over the data. */
    public static double of(Pca pca, Batches<AutoencoderBatch> data) {
        double[] sums = new double[2];
        for (long i = 0; i < data.perEpoch(); i++) {
            long index = i;
            Scope.run(() -> {
                Tensor x = data.batch(index).target().to(io.quern.tensor.Device.CPU);
                sums[0] += x.dim(0) * pca.reconstructionError(x.reshape(x.dim(0), -1));
                sums[1] += x.dim(0);
                return null;
            });
        }
        return sums[0] / sums[1];
    }
}
