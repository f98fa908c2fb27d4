package io.quern.vision.data;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.train.data.Batches;
import io.quern.vision.Preprocessor;
import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.zip.CRC32C;

/**
 * Batches of an {@link ImageSet}: in order, or for training shuffled anew in each epoch and augmented. Every random number
 * is a function of the seed and of the picture's place in the run.
 */
public final class ImageBatches implements Batches<ImageBatch> {
    private final ImageSet set;
    private final Preprocessor preprocessor;
    private final Augmentation augmentation;
    private final int batch;
    private final long seed;
    private final boolean shuffled;
    private final Device device;
    private String fingerprint;
    private int[] order;
    private long orderedEpoch = -1;

    private ImageBatches(
            ImageSet set,
            Preprocessor preprocessor,
            Augmentation augmentation,
            int batch,
            long seed,
            boolean shuffled,
            Device device) {
        if (batch < 1 || set.size() < 1) {
            throw new TensorException("a batch needs 1 picture or more; batch " + batch + ", pictures " + set.size());
        }
        this.set = set;
        this.preprocessor = preprocessor;
        this.augmentation = augmentation;
        this.batch = batch;
        this.seed = seed;
        this.shuffled = shuffled;
        this.device = device;
    }

    /** All pictures in order, as they are. */
    public static ImageBatches inOrder(ImageSet set, Preprocessor p, int batch, Device device) {
        return new ImageBatches(set, p, Augmentation.NONE, batch, 0, false, device);
    }

    /** Shuffled and augmented; what does not fill a batch is left for other epochs. */
    public static ImageBatches shuffled(
            ImageSet set, Preprocessor p, Augmentation augmentation, int batch, long seed, Device device) {
        return new ImageBatches(set, p, augmentation, Math.min(batch, set.size()), seed, true, device);
    }

    /** The first {@code most} pictures of the set, or all, in order and as they are, in one batch. */
    public ImageBatch first(int most) {
        return inOrder(set, preprocessor, Math.min(most, set.size()), device).batch(0);
    }

    @Override
    public ImageBatch batch(long index) {
        return prepare(index).get();
    }

    @Override
    public Supplier<ImageBatch> prepare(long index) {
        long first = index % perEpoch() * batch;
        int n = (int) Math.min(batch, set.size() - first);
        int[] at = new int[n];
        int[] classes = new int[n];
        int[] ordered = shuffled ? order(index / perEpoch()) : null;
        for (int i = 0; i < n; i++) {
            at[i] = ordered == null ? (int) first + i : ordered[(int) first + i];
            classes[i] = set.classes()[at[i]];
        }
        int each = set.bytesEach();
        int plane = set.height() * set.width();
        float[] x = new float[n * each];
        IntStream.range(0, n).parallel().forEach(i -> {
            if (augmentation == Augmentation.NONE) {
                for (int k = 0; k < each; k++) {
                    x[i * each + k] = set.pixels()[at[i] * each + k] & 0xFF;
                }
            } else {
                Rng rng = new Rng(seed, Rng.stream("augment") + index * batch + i);
                augmentation.draw(set, at[i], rng, x, i * each);
            }
            for (int k = 0; k < each; k++) {
                x[i * each + k] = preprocessor.normalised(x[i * each + k], k / plane);
            }
        });
        if (!augmentation.mixes() || n < 2) {
            return () -> new ImageBatch(floats(x, n), ints(classes), null, 1);
        }
        return mixed(x, classes, new Rng(seed, Rng.stream("mix") + index));
    }

    /** Mixes every picture with the one that comes next. */
    private Supplier<ImageBatch> mixed(float[] x, int[] classes, Rng rng) {
        int n = classes.length;
        int each = x.length / n;
        int[] others = new int[n];
        for (int i = 0; i < n; i++) {
            others[i] = classes[(i + 1) % n];
        }
        float[] y = new float[x.length];
        double share = augmentation.share(rng);
        boolean cut = augmentation.cutmix() && (augmentation.mixup() == 0 || rng.nextFloat() < 0.5);
        if (cut) {
            int w = set.width();
            int h = set.height();
            int cw = (int) Math.round(w * Math.sqrt(1 - share));
            int ch = (int) Math.round(h * Math.sqrt(1 - share));
            int left = rng.nextInt(w - cw + 1);
            int top = rng.nextInt(h - ch + 1);
            share = 1 - (double) cw * ch / (w * h);
            for (int k = 0; k < x.length; k++) {
                int column = k % w;
                int row = k / w % h;
                boolean inside = column >= left && column < left + cw && row >= top && row < top + ch;
                y[k] = inside ? x[(k + each) % x.length] : x[k];
            }
        } else {
            for (int k = 0; k < x.length; k++) {
                y[k] = (float) (share * x[k] + (1 - share) * x[(k + each) % x.length]);
            }
        }
        double part = share;
        return () -> new ImageBatch(floats(y, n), ints(classes), ints(others), part);
    }

    private synchronized int[] order(long epoch) {
        if (epoch != orderedEpoch) {
            int[] all = IntStream.range(0, set.size()).toArray();
            Rng rng = new Rng(seed, Rng.stream("shuffle") + epoch);
            for (int i = all.length - 1; i > 0; i--) {
                int j = rng.nextInt(i + 1);
                int swap = all[i];
                all[i] = all[j];
                all[j] = swap;
            }
            order = all;
            orderedEpoch = epoch;
        }
        return order;
    }

    private Tensor floats(float[] x, int n) {
        Shape shape = Shape.of(n, set.channels(), set.height(), set.width());
        return Tensor.from(device, DType.F32, shape, MemorySegment.ofArray(x));
    }

    private Tensor ints(int[] x) {
        return Tensor.from(device, DType.I32, Shape.of(x.length), MemorySegment.ofArray(x));
    }

    @Override
    public long perEpoch() {
        return shuffled ? set.size() / batch : (set.size() + batch - 1) / batch;
    }

    @Override
    public long items(ImageBatch b) {
        return b.targets().size();
    }

    @Override
    public String fingerprint() {
        if (fingerprint == null) {
            CRC32C crc = new CRC32C();
            crc.update(set.pixels());
            for (int c : set.classes()) {
                crc.update(c);
                crc.update(c >>> 8);
            }
            fingerprint = "%d pictures of %d x %d x %d, crc32c %08x"
                    .formatted(set.size(), set.channels(), set.height(), set.width(), crc.getValue());
        }
        return fingerprint;
    }

    @Override
    public String unit() {
        return "img";
    }
}
