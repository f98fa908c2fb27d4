/**
 * The lectures as code: short programs, each for one page of {@code docs/course}. They are compiled and tested in every build,
 * and are in no jar.
 */
package io.quern.examples;
