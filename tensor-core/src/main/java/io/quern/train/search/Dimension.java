package io.quern.train.search;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One setting that is searched, seen as the interval [0, 1].
 *
 * @param name of the setting
 * @param scale how the interval becomes values
 * @param low smallest value; 0 for choices
 * @param high largest value; the number of choices for those
 * @param choices the values of a choice; else empty
 */
public record Dimension(String name, Scale scale, double low, double high, List<String> choices) {
    /** How [0, 1] becomes values. */
    public enum Scale {
        LINEAR,
        LOG,
        INTEGER,
        CHOICE
    }

    /** Values have few digits, so that a table shows what was run, to the last digit. */
    private static final MathContext DIGITS = new MathContext(4);

    private static final Pattern RANGE = Pattern.compile("(?:(log|int):)?([^.,]+(?:\\.\\d[^.,]*)?)\\.\\.(.+)");

    public Dimension {
        choices = List.copyOf(choices);
        boolean sane = Double.isFinite(low) && Double.isFinite(high) && low < high;
        if (!sane || scale == Scale.LOG && low <= 0) {
            throw new IllegalArgumentException("search " + name + ": the range is from " + low + " to " + high
                    + "; it must go up" + (scale == Scale.LOG ? " from above 0" : ""));
        }
    }

    /**
     * Reads {@code lr=log:1e-4..1e-2}, {@code dropout=0..0.3}, {@code layers=int:2..6} or
     * {@code schedule=cosine,linear}.
     *
     * @throws IllegalArgumentException if it is none of these
     */
    public static Dimension parse(String text) {
        int equals = text.indexOf('=');
        String name = equals < 0 ? "" : text.substring(0, equals).strip();
        String values = equals < 0 ? "" : text.substring(equals + 1).strip();
        Matcher range = RANGE.matcher(values);
        if (name.isEmpty() || values.isEmpty()) {
            throw wrong(text);
        }
        if (range.matches()) {
            Scale scale = switch (range.group(1)) {
                case null -> Scale.LINEAR;
                case "log" -> Scale.LOG;
                default -> Scale.INTEGER;
            };
            try {
                double low = Double.parseDouble(range.group(2));
                double high = Double.parseDouble(range.group(3));
                if (scale == Scale.INTEGER && (low != Math.rint(low) || high != Math.rint(high))) {
                    throw wrong(text);
                }
                return new Dimension(name, scale, low, high, List.of());
            } catch (NumberFormatException e) {
                throw wrong(text);
            }
        }
        List<String> choices = List.of(values.split(",", -1));
        if (choices.size() < 2 || choices.contains("")) {
            throw wrong(text);
        }
        return new Dimension(name, Scale.CHOICE, 0, choices.size(), choices);
    }

    private static IllegalArgumentException wrong(String text) {
        return new IllegalArgumentException("search '" + text
                + "' is none of name=low..high, name=log:low..high, name=int:low..high and name=a,b,c");
    }

    /** The value at a place in [0, 1]: a Double, a Long or a String. */
    public Object value(double place) {
        return switch (scale) {
            case LINEAR -> rounded(low + place * (high - low));
            case LOG -> rounded(Math.exp(Math.log(low) + place * (Math.log(high) - Math.log(low))));
            case INTEGER -> Math.min((long) high, (long) Math.floor(low + place * (high - low + 1)));
            case CHOICE -> choices.get(category(place));
        };
    }

    /** The index of the choice at a place. */
    int category(double place) {
        return Math.min(choices.size() - 1, (int) (place * choices.size()));
    }

    private static Double rounded(double x) {
        return new BigDecimal(x).round(DIGITS).doubleValue();
    }

    /** Places of a grid: all choices and, of ranges, {@code points} values or as many as there are. */
    double[] grid(int points) {
        int n = switch (scale) {
            case LINEAR, LOG -> points;
            case INTEGER -> (int) Math.min(points, high - low + 1);
            case CHOICE -> choices.size();
        };
        boolean ends = scale == Scale.LINEAR || scale == Scale.LOG;
        double[] places = new double[n];
        for (int i = 0; i < n; i++) {
            if (ends || n < high - low + 1 && scale == Scale.INTEGER) {
                places[i] = n == 1 ? 0.5 : (double) i / (n - 1);
            } else {
                places[i] = (i + 0.5) / n;
            }
        }
        return places;
    }
}
