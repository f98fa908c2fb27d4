package io.quern.vision.data;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.train.data.Batches;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Batches of pictures with what is done to them; the damage of a picture is a function of the seed and of the picture's
 * place in the run.
 */
public final class AutoencoderBatches implements Batches<AutoencoderBatch> {
    private final ImageBatches pictures;
    private final Damage damage;
    private final long seed;
    private final Device device;

    /**
     * @param pictures with values from 0 to 1, on the CPU
     * @param device for the batches
     */
    public AutoencoderBatches(ImageBatches pictures, Damage damage, long seed, Device device) {
        this.pictures = pictures;
        this.damage = damage;
        this.seed = seed;
        this.device = device;
    }

    @Override
    public AutoencoderBatch batch(long index) {
        Tensor target = pictures.batch(index).pixels();
        Tensor input = damage.equals(Damage.NONE) ? target : damaged(target, damage, seed, index << 20);
        return new AutoencoderBatch(input.to(device), target.to(device));
    }

    /**
     * Damaged pictures.
     *
     * @param pixels [N, C, H, W], from 0 to 1, on the CPU
     * @param first number of the first picture, which picks the random numbers
     * @return [N, C', H, W] on the CPU
     */
    public static Tensor damaged(Tensor pixels, Damage damage, long seed, long first) {
        int n = pixels.dim(0);
        int height = pixels.dim(2);
        int width = pixels.dim(3);
        int each = pixels.dim(1) * height * width;
        int channels = damage.channels(pixels.dim(1));
        int damagedEach = channels * height * width;
        float[] from = pixels.toFloats();
        float[] to = new float[n * damagedEach];
        IntStream.range(0, n).parallel().forEach(i -> {
            float[] picture = Arrays.copyOfRange(from, i * each, (i + 1) * each);
            Rng rng = new Rng(seed, Rng.stream("damage") + first + i);
            System.arraycopy(damage.apply(picture, height, width, rng), 0, to, i * damagedEach, damagedEach);
        });
        return Tensor.from(Device.CPU, DType.F32, Shape.of(n, channels, height, width), MemorySegment.ofArray(to));
    }

    @Override
    public long perEpoch() {
        return pictures.perEpoch();
    }

    @Override
    public long items(AutoencoderBatch b) {
        return b.target().dim(0);
    }

    @Override
    public String unit() {
        return pictures.unit();
    }
}
