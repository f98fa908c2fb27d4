/** Optimizers, learning-rate schedules and gradient clipping. */
package io.quern.train.optim;
