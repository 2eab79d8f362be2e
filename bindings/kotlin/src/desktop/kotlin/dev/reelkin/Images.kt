package dev.reelkin

import java.awt.image.BufferedImage

// For the JVM on a desktop or a server: Android has no java.awt.

/** The picture as an image of `TYPE_3BYTE_BGR`. A copy. */
public fun Frame.toBufferedImage(): BufferedImage {
    val image = BufferedImage(width, height, BufferedImage.TYPE_3BYTE_BGR)
    image.raster.setDataElements(0, 0, width, height, toByteArray())
    return image
}
