/** Search for good settings: a space of them, and ways to choose the next point from the losses of those before it. */
package io.quern.train.search;
