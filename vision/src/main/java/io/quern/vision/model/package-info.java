/** Image models, a page each. */
package io.quern.vision.model;
