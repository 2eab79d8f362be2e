package dev.reelkin

import java.awt.image.BufferedImage

// Not on Android, which has no java.awt.

/** Copies the frame to an image of `TYPE_3BYTE_BGR`. */
public fun Frame.toBufferedImage(): BufferedImage {
    val image = BufferedImage(width, height, BufferedImage.TYPE_3BYTE_BGR)
    image.raster.setDataElements(0, 0, width, height, toByteArray())
    return image
}
