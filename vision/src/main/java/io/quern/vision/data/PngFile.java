package io.quern.vision.data;

import io.quern.tensor.TensorException;
import io.quern.tensor.file.AtomicFile;
import io.quern.tensor.file.FileErrors;
import io.quern.vision.Image;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import javax.imageio.ImageIO;

/** Writes pictures as PNG. */
public final class PngFile {
    private PngFile() {}

    /**
     * Writes a file, which appears once it is whole.
     *
     * @throws TensorException if it cannot be written
     */
    public static void write(Path file, Image image) {
        boolean grey = image.channels() == 1;
        BufferedImage to = new BufferedImage(
                image.width(), image.height(), grey ? BufferedImage.TYPE_BYTE_GRAY : BufferedImage.TYPE_INT_RGB);
        int[] samples = new int[image.pixels().length];
        for (int i = 0; i < samples.length; i++) {
            samples[i] = image.pixels()[i] & 0xFF;
        }
        // The raster's samples, not setRGB, which would convert grey by its idea of gamma.
        to.getRaster().setPixels(0, 0, image.width(), image.height(), samples);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try {
            if (!ImageIO.write(to, "png", bytes)) {
                throw new IllegalStateException("the JDK has no PNG writer");
            }
            AtomicFile.write(file, bytes.toByteArray());
        } catch (IOException e) {
            throw new TensorException(file + ": the picture cannot be written: " + FileErrors.reason(e), e);
        }
    }
}
