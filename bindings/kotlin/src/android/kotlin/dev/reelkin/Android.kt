package dev.reelkin

import android.content.ContentResolver
import android.graphics.Bitmap
import android.net.Uri
import java.io.FileNotFoundException

/** Copies the frame to a bitmap of `ARGB_8888`. */
public fun Frame.toBitmap(): Bitmap = Bitmap.createBitmap(toArgb(), width, height, Bitmap.Config.ARGB_8888)

/**
 * Reads an image or a clip from a content provider: a `content://` address of a photo picker, for example.
 *
 * @param limit maximum number of bytes, which are held in memory.
 * @throws VideoError.InvalidRequest if there are more.
 * @throws java.io.IOException if it cannot be read.
 */
public suspend fun ContentResolver.readMedia(uri: Uri, limit: Long = MAX_MEDIA_BYTES): MediaInput =
    readMedia(uri.lastPathSegment ?: "content", limit) { openInputStream(uri) ?: throw FileNotFoundException("no content at $uri") }
