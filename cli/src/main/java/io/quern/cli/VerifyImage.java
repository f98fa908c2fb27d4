package io.quern.cli;

import io.quern.nn.Module;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.vision.ImageModel;
import java.util.List;

/** One picture. */
final class VerifyImage implements VerifySubject {
    private final ImageModel model;
    private final Tensor pixels;
    private final String input;

    /** Takes normalised pixels [1, C, H, W] on the CPU, which it closes. */
    VerifyImage(ImageModel model, Tensor pixels, String input) {
        this.model = model;
        this.pixels = pixels;
        this.input = input;
    }

    @Override
    public Module model() {
        return model;
    }

    @Override
    public String input() {
        return input;
    }

    @Override
    public int classes() {
        return model.config().labels().size();
    }

    @Override
    public List<float[]> run(Device device, Runner runner) {
        return Scope.run(() -> {
            Tensor there = pixels.to(device);
            return List.of(runner.run("picture", () -> model.forward(there)));
        });
    }

    @Override
    public void close() {
        pixels.close();
        model.close();
    }
}
