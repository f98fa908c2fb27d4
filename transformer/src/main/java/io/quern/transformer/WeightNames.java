package io.quern.transformer;

import java.util.Map;
import java.util.regex.Pattern;

/**
 * How checkpoints of an architecture deviate from the paths of its parameters.
 *
 * @param optionalPrefix begins the paths of most parameters; some checkpoints leave it out
 * @param ignored names, without the prefix, of tensors that are no parameters, such as stored masks
 * @param copies names of tensors that may be there, if they equal the parameter given: tied weights
 */
public record WeightNames(String optionalPrefix, Pattern ignored, Map<String, String> copies) {}
