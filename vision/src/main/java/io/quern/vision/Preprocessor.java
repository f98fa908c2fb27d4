package io.quern.vision;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.transformer.ConfigJson;
import java.util.Arrays;
import java.util.List;

/**
 * How a picture becomes a model's pixels, as {@code preprocessor_config.json} says: resize, crop, scale, normalise. The
 * result is that of Hugging Face's image processor on Pillow.
 *
 * @param resize the size to resize to; null for none
 * @param filter Pillow's number of the resampling filter: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic, 4 box, 5 Hamming
 * @param cropHeight of the crop at the centre; 0 for none
 * @param cropWidth of the crop
 * @param rescale factor of the bytes; 0 for none
 * @param mean subtracted, by channel; one number stands for all channels
 * @param std divided by
 * @param darkGround whether a picture on a light ground is inverted first, for models of light strokes on black such as
 *     those of MNIST's digits; Quern's own key {@code quern_dark_ground}
 */
public record Preprocessor(
        Size resize,
        int filter,
        int cropHeight,
        int cropWidth,
        double rescale,
        List<Double> mean,
        List<Double> std,
        boolean darkGround) {
    private static final int LARGEST = 1 << 14;

    /**
     * A size to resize to.
     *
     * @param height in pixels; if width is 0, of the shorter edge, the longer one keeping the aspect
     * @param width in pixels
     */
    public record Size(int height, int width) {}

    public Preprocessor {
        mean = List.copyOf(mean);
        std = List.copyOf(std);
        if (mean.isEmpty() || mean.size() != std.size() || std.contains(0.0)) {
            throw new TensorException("preprocessing: image_mean and image_std need one number for each channel, and"
                    + " no std may be 0; found " + mean + " and " + std);
        }
        if (filter < 0 || filter >= Resampler.values().length) {
            throw new TensorException("preprocessing: resample must be 0 to 5, not " + filter);
        }
    }

    /** Hugging Face's defaults for vision transformers: bilinear, mean and standard deviation 0.5. */
    public static Preprocessor of(int size) {
        return new Preprocessor(new Size(size, size), 2, 0, 0, 1.0 / 255, List.of(0.5), List.of(0.5), false);
    }

    /** The same with pixels from 0 to 1. */
    public Preprocessor unnormalised() {
        return new Preprocessor(
                resize, filter, cropHeight, cropWidth, 1.0 / 255, List.of(0.0), List.of(1.0), darkGround);
    }

    /** The same for light strokes on black, which inverts pictures on a light ground. */
    public Preprocessor onDarkGround() {
        return new Preprocessor(resize, filter, cropHeight, cropWidth, rescale, mean, std, true);
    }

    /**
     * Reads {@code preprocessor_config.json}.
     *
     * @throws TensorException if a value is wrong
     */
    public static Preprocessor read(ConfigJson json) {
        boolean crops = json.flag("do_center_crop", json.has("crop_size"));
        Size crop = crops ? size(json, "crop_size") : null;
        if (crop != null && crop.width == 0) {
            crop = new Size(crop.height, crop.height);
        }
        boolean normalises = json.flag("do_normalize", true);
        return new Preprocessor(
                json.flag("do_resize", true) ? size(json, "size") : null,
                json.integer("resample", 0, 5, 2),
                crop == null ? 0 : crop.height,
                crop == null ? 0 : crop.width,
                json.flag("do_rescale", true) ? json.number("rescale_factor", 1.0 / 255) : 0,
                normalises ? numbers(json, "image_mean") : List.of(0.0),
                normalises ? numbers(json, "image_std") : List.of(1.0),
                json.flag("quern_dark_ground", false));
    }

    /** A number means both edges, as in Hugging Face's {@code get_size_dict}. */
    private static Size size(ConfigJson json, String key) {
        JsonNode n = json.node().path(key);
        Size s;
        if (n.isInt()) {
            s = new Size(n.intValue(), n.intValue());
        } else if (n.path("height").isInt() && n.path("width").isInt()) {
            s = new Size(n.path("height").intValue(), n.path("width").intValue());
        } else if (n.path("shortest_edge").isInt() && !n.has("longest_edge")) {
            s = new Size(n.path("shortest_edge").intValue(), 0);
        } else if (n.isMissingNode() || n.isNull()) {
            s = new Size(224, 224);
        } else {
            throw json.unexpected(key, "a number, height and width, or shortest_edge");
        }
        boolean square = !n.has("shortest_edge");
        if (s.height < 1 || s.height > LARGEST || s.width > LARGEST || square && s.width < 1) {
            throw json.unexpected(key, "sizes from 1 to " + LARGEST);
        }
        return s;
    }

    private static List<Double> numbers(ConfigJson json, String key) {
        JsonNode n = json.node().path(key);
        if (n.isMissingNode() || n.isNull()) {
            return List.of(0.5);
        }
        if (n.isNumber()) {
            return List.of(n.doubleValue());
        }
        Double[] all = new Double[n.size()];
        for (int i = 0; i < all.length; i++) {
            if (!n.path(i).isNumber()) {
                throw json.unexpected(key, "a list of numbers");
            }
            all[i] = n.path(i).doubleValue();
        }
        return Arrays.asList(all);
    }

    /** The resized and cropped picture, of {@code channels} channels. */
    public Image fit(Image image, int channels) {
        Image x = image.withChannels(channels);
        if (darkGround && x.borderMean() > 127.5) {
            x = x.inverted();
        }
        if (resize != null) {
            x = Resampler.values()[filter].resize(x, targetWidth(x), targetHeight(x));
        }
        if (cropHeight > 0) {
            x = x.crop(
                    Math.floorDiv(x.width() - cropWidth, 2),
                    Math.floorDiv(x.height() - cropHeight, 2),
                    cropWidth,
                    cropHeight);
        }
        return x;
    }

    private int targetWidth(Image x) {
        if (resize.width > 0) {
            return resize.width;
        }
        return x.width() <= x.height() ? resize.height : longer(x.width(), x.height());
    }

    private int targetHeight(Image x) {
        if (resize.width > 0) {
            return resize.height;
        }
        return x.height() <= x.width() ? resize.height : longer(x.height(), x.width());
    }

    private int longer(int longEdge, int shortEdge) {
        long n = (long) resize.height * longEdge / shortEdge;
        if (n > LARGEST) {
            throw new TensorException("a picture of edges " + longEdge + " and " + shortEdge + " is too long and thin:"
                    + " resized it would have " + n + " pixels along one edge; crop it");
        }
        return (int) n;
    }

    /** Normalised value of byte {@code value} in channel {@code c}. */
    public float normalised(double value, int c) {
        double x = rescale == 0 ? value : value * rescale;
        return (float) ((x - at(mean, c)) / at(std, c));
    }

    private static double at(List<Double> byChannel, int c) {
        return byChannel.get(byChannel.size() == 1 ? 0 : c);
    }

    /** Pixels [1, channels, height, width]. */
    public Tensor apply(Image image, int channels) {
        Image x = fit(image, channels);
        float[] planes = new float[x.pixels().length];
        int plane = x.width() * x.height();
        for (int i = 0; i < planes.length; i++) {
            planes[i] = normalised(x.pixels()[i % plane * channels + i / plane] & 0xFF, i / plane);
        }
        return Tensor.of(planes, 1, channels, x.height(), x.width());
    }

    /** The contents of {@code preprocessor_config.json}. */
    public ObjectNode toJson() {
        ObjectNode json = ConfigJson.object();
        json.put("image_processor_type", "ViTImageProcessor");
        json.put("do_resize", resize != null);
        if (resize != null) {
            put(json.putObject("size"), resize);
        }
        json.put("resample", filter);
        json.put("do_center_crop", cropHeight > 0);
        if (cropHeight > 0) {
            put(json.putObject("crop_size"), new Size(cropHeight, cropWidth));
        }
        json.put("do_rescale", rescale != 0);
        if (rescale != 0) {
            json.put("rescale_factor", rescale);
        }
        json.put("do_normalize", true);
        ArrayNode means = json.putArray("image_mean");
        mean.forEach(means::add);
        ArrayNode stds = json.putArray("image_std");
        std.forEach(stds::add);
        json.put("quern_dark_ground", darkGround);
        return json;
    }

    private static void put(ObjectNode json, Size size) {
        if (size.width == 0) {
            json.put("shortest_edge", size.height);
        } else {
            json.put("height", size.height);
            json.put("width", size.width);
        }
    }
}
