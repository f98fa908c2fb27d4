package io.quern.vision.model;

import io.quern.nn.Init;
import io.quern.nn.Linear;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * Fully connected layers, narrower and narrower down to the code and then the same way back. Source: Hinton and
 * Salakhutdinov, "Reducing the dimensionality of data with neural networks" (2006); trained as a whole from good first
 * weights and with units that do not saturate, not layer by layer.
 */
public final class DeepAutoencoder extends Autoencoder {
    private final List<Linear> down = new ArrayList<>();
    private final List<Linear> up = new ArrayList<>();
    private final Linear code;
    private final Linear last;

    DeepAutoencoder(AutoencoderConfig config, Init init) {
        super(config);
        List<Integer> hidden = config.hidden();
        int pixels = config.imageSize() * config.imageSize();
        int width = config.channels() * pixels;
        for (int i = 0; i < hidden.size(); i++) {
            down.add(layer(init, "encoder." + i, width, hidden.get(i)));
            width = hidden.get(i);
        }
        code = layer(init, "encoder.code", width, encoded());
        width = config.codes();
        for (int i = 0; i < hidden.size(); i++) {
            int next = hidden.get(hidden.size() - 1 - i);
            up.add(layer(init, "decoder." + i, width, next));
            width = next;
        }
        last = layer(init, "decoder.last", width, config.imageChannels() * pixels);
        nameParameters();
    }

    private Linear layer(Init init, String path, int in, int out) {
        return child(
                path,
                new Linear(init.make(path + ".weight", Shape.of(out, in)), init.make(path + ".bias", Shape.of(out))));
    }

    @Override
    Tensor encoder(Tensor pixels, List<Tensor> planes) {
        Tensor x = pixels.reshape(pixels.dim(0), -1);
        for (Linear layer : down) {
            x = layer.forward(x, config().activation().function());
        }
        Tensor codes = code.forward(x);
        return config().activeCodes() ? config().activation().apply(codes) : codes;
    }

    @Override
    Tensor decoder(Tensor codes, List<Tensor> planes) {
        Tensor x = codes;
        for (Linear layer : up) {
            x = layer.forward(x, config().activation().function());
        }
        int side = config().imageSize();
        return last.forward(x).reshape(codes.dim(0), config().imageChannels(), side, side);
    }
}
