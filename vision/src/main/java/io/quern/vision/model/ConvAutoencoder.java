package io.quern.vision.model;

import io.quern.nn.Conv2d;
import io.quern.nn.ConvTranspose2d;
import io.quern.nn.Init;
import io.quern.nn.Linear;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Conv;
import java.util.ArrayList;
import java.util.List;

/**
 * Convolutions that halve the planes, a code of the last ones by a fully connected layer, so that all of the picture can
 * matter everywhere, and transposed convolutions that double them again.
 */
public final class ConvAutoencoder extends Autoencoder {
    /** Kernel of 3, from a plane's every other pixel. */
    private static final Conv.Geometry HALVE = Conv.Geometry.of(2, 1);

    /** With a kernel of 4, a multiple of the stride, all pixels get equally many taps: no chequers. */
    private static final Conv.Geometry DOUBLE = Conv.Geometry.of(2, 1);

    private final List<Conv2d> down = new ArrayList<>();
    private final List<ConvTranspose2d> up = new ArrayList<>();
    private final Linear code;
    private final Linear uncode;
    private final int planes;
    private final int side;

    ConvAutoencoder(AutoencoderConfig config, Init init) {
        super(config);
        List<Integer> hidden = config.hidden();
        int n = hidden.size();
        int in = config.channels();
        for (int i = 0; i < n; i++) {
            String path = "encoder." + i;
            Shape shape = Shape.of(hidden.get(i), in, 3, 3);
            down.add(child(
                    path,
                    new Conv2d(
                            init.make(path + ".weight", shape),
                            init.make(path + ".bias", Shape.of(hidden.get(i))),
                            HALVE)));
            in = hidden.get(i);
        }
        planes = in;
        side = config.imageSize() >> n;
        int features = planes * side * side;
        code = child("encoder.code", linear(init, "encoder.code", features, encoded()));
        uncode = child("decoder.first", linear(init, "decoder.first", config.codes(), features));
        for (int i = 0; i < n; i++) {
            boolean isLast = i == n - 1;
            int out = isLast ? config.imageChannels() : hidden.get(n - 2 - i);
            String path = isLast ? "decoder.last" : "decoder." + i;
            Shape shape = Shape.of(hidden.get(n - 1 - i), out, 4, 4);
            up.add(child(
                    path,
                    new ConvTranspose2d(
                            init.make(path + ".weight", shape), init.make(path + ".bias", Shape.of(out)), DOUBLE, 0)));
        }
        nameParameters();
    }

    private static Linear linear(Init init, String path, int in, int out) {
        return new Linear(init.make(path + ".weight", Shape.of(out, in)), init.make(path + ".bias", Shape.of(out)));
    }

    @Override
    Tensor encoder(Tensor pixels, List<Tensor> kept) {
        Tensor x = pixels;
        for (Conv2d layer : down) {
            x = config().activation().apply(layer.forward(x));
            kept.add(x);
        }
        Tensor codes = code.forward(x.reshape(x.dim(0), -1));
        return config().activeCodes() ? config().activation().apply(codes) : codes;
    }

    @Override
    Tensor decoder(Tensor codes, List<Tensor> kept) {
        Tensor x = config().activation().apply(uncode.forward(codes)).reshape(codes.dim(0), planes, side, side);
        for (int i = 0; i < up.size(); i++) {
            if (config().kind().skips()) {
                x = x.add(kept.get(up.size() - 1 - i));
            }
            x = up.get(i).forward(x);
            if (i < up.size() - 1) {
                x = config().activation().apply(x);
            }
        }
        return x;
    }
}
