package io.quern.tensor.check;

import io.quern.tensor.DType;
import io.quern.tensor.Shape;

/**
 * How far one result of a model is from that of another device.
 *
 * @param pass the run that it belongs to, such as {@code prompt}
 * @param index counts the results of the pass from 0
 * @param layer path of the layer by its parameters, such as {@code transformer.h.0.ln_1}; that of the last layer before,
 *     after the word "after", for an operation without parameters
 * @param op name of the operation, such as {@code layer_norm}
 * @param maxError the largest absolute error of an element
 * @param relativeError that, divided by the largest number of the expected result
 * @param rmsError root of the mean squared error, divided by that of the expected result
 * @param allowed for both relative errors
 * @param worst place of the largest error, row-major
 * @param want what was expected there
 * @param got what was found there
 */
public record Difference(
        String pass,
        int index,
        String layer,
        String op,
        Shape shape,
        DType dtype,
        double maxError,
        double relativeError,
        double rmsError,
        double allowed,
        long worst,
        double want,
        double got) {

    /** Whether the result is near enough. */
    public boolean ok() {
        return relativeError <= allowed && rmsError <= allowed;
    }

    /** Layer and operation. */
    public String name() {
        return layer + ": " + op;
    }
}
