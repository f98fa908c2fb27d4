/** Training data as batches whose order is a function of a seed and a position only. */
package io.quern.train.data;
