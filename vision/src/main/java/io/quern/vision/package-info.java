/** Image models. Empty so far. */
package io.quern.vision;
