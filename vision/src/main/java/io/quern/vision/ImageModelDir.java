package io.quern.vision;

import io.quern.transformer.ConfigJson;
import io.quern.transformer.text.FileSource;
import io.quern.vision.model.ImageFamily;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A classifier of pictures in Hugging Face layout: {@code config.json}, {@code preprocessor_config.json} and
 * {@code model.safetensors}; in a folder, or among the resources of a program.
 */
public final class ImageModelDir extends NetworkDir<ImageModel, ImageModelConfig> {
    private ImageModelDir(Path folder) {
        super(folder, ImageFamily::read);
    }

    private ImageModelDir(String name, FileSource files) {
        super(name, files, ImageFamily::read);
    }

    /** Whether a folder holds a classifier. */
    public static boolean isOne(Path folder) {
        Path json = folder.resolve(CONFIG);
        return Files.exists(json) && ImageFamily.supports(ConfigJson.read(json));
    }

    /**
     * Opens a folder.
     *
     * @throws io.quern.tensor.TensorException if it is missing, is no model folder, or holds an architecture that is not
     *     supported
     */
    public static ImageModelDir open(Path folder) {
        return new ImageModelDir(folder);
    }

    /** Opens a model among resources. */
    public static ImageModelDir open(String name, FileSource files) {
        return new ImageModelDir(name, files);
    }

    /** Writes a model as transformers reads it, in float32; {@code config.json}, by which a folder is one, comes last. */
    public static void save(Path folder, ImageModel model, Preprocessor preprocessor) {
        write(folder, model, model.config(), preprocessor);
    }
}
