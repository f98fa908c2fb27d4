package io.quern.vision;

import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.train.data.Batches;
import io.quern.vision.data.ImageBatch;
import java.util.List;

/**
 * How a classifier did.
 *
 * @param counts pictures by true class (rows) and predicted class (columns)
 * @param labels of the classes
 * @param loss mean cross-entropy
 */
public record ConfusionMatrix(long[][] counts, List<String> labels, double loss) {

    /** Classifies one pass over the data. */
    public static ConfusionMatrix of(ImageModel model, Batches<ImageBatch> data) {
        int n = model.config().labels().size();
        long[][] counts = new long[n][n];
        double[] loss = new double[2];
        for (long i = 0; i < data.perEpoch(); i++) {
            long index = i;
            Scope.run(() -> Tape.noGrad(() -> {
                ImageBatch batch = data.batch(index);
                var logits = model.forward(batch.pixels());
                int[] best = logits.argmax().toInts();
                int[] truth = batch.targets().toInts();
                for (int k = 0; k < truth.length; k++) {
                    counts[truth[k]][best[k]]++;
                }
                loss[0] += batch.loss(logits, 0).item() * truth.length;
                loss[1] += truth.length;
                return null;
            }));
        }
        return new ConfusionMatrix(counts, model.config().labels(), loss[0] / loss[1]);
    }

    /** Number of pictures. */
    public long total() {
        long n = 0;
        for (int c = 0; c < counts.length; c++) {
            n += support(c);
        }
        return n;
    }

    /** Part of the pictures that got their class. */
    public double accuracy() {
        long right = 0;
        for (int c = 0; c < counts.length; c++) {
            right += counts[c][c];
        }
        return (double) right / total();
    }

    /** Pictures of class {@code c}. */
    public long support(int c) {
        long n = 0;
        for (long x : counts[c]) {
            n += x;
        }
        return n;
    }

    /** Part of those called {@code c} that are; 0 if none was. */
    public double precision(int c) {
        long called = 0;
        for (long[] row : counts) {
            called += row[c];
        }
        return called == 0 ? 0 : (double) counts[c][c] / called;
    }

    /** Part of class {@code c} that was found; 0 if there is none. */
    public double recall(int c) {
        return support(c) == 0 ? 0 : (double) counts[c][c] / support(c);
    }

    /** Harmonic mean of precision and recall; 0 if both are. */
    public double f1(int c) {
        double p = precision(c);
        double r = recall(c);
        return p + r == 0 ? 0 : 2 * p * r / (p + r);
    }

    /** Mean F1 of the classes that have pictures or were predicted, as scikit-learn's. */
    public double macroF1() {
        double sum = 0;
        int n = 0;
        for (int c = 0; c < counts.length; c++) {
            if (support(c) > 0 || precision(c) > 0 || isPredicted(c)) {
                sum += f1(c);
                n++;
            }
        }
        return sum / n;
    }

    private boolean isPredicted(int c) {
        for (long[] row : counts) {
            if (row[c] > 0) {
                return true;
            }
        }
        return false;
    }
}
