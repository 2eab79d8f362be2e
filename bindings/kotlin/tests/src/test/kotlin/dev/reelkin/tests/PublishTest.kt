package dev.reelkin.tests

import dev.reelkin.*
import java.io.File
import java.util.jar.JarFile
import javax.xml.parsers.DocumentBuilderFactory
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.w3c.dom.Element

/** What Maven Central requires of the installed artifacts, and what a JVM prints when it loads them. */
class PublishTest {
    private val jar = File(VideoClient::class.java.protectionDomain.codeSource.location.toURI())

    @Test
    fun thePomDescribesTheProject() {
        val pom = JarFile(jar).use { file ->
            val entry = file.getEntry("META-INF/maven/dev.reelkin/reelkin/pom.xml")
            DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(file.getInputStream(entry)).documentElement
        }
        for (name in listOf("groupId", "artifactId", "version", "name", "description")) {
            assertTrue(pom.children(name).single().textContent.isNotBlank(), name)
        }
        val licenses = pom.children("licenses").single().children("license")
        assertEquals(listOf("MIT", "Apache-2.0", "LGPL-2.1-or-later"), licenses.map { it.children("name").single().textContent })
        assertTrue(licenses.all { it.children("url").single().textContent.startsWith("https://") })
        assertTrue(pom.children("developers").single().children("developer").single().children("name").single().textContent.isNotBlank())
    }

    private fun Element.children(name: String): List<Element> =
        (0 until childNodes.length).map { childNodes.item(it) }.filterIsInstance<Element>().filter { it.tagName == name }

    @Test
    fun theSourcesJarHasTheSourceOfEveryClass() {
        val sources = JarFile(File(jar.path.removeSuffix(".jar") + "-sources.jar")).use { file -> file.entries().asSequence().map { it.name }.toList() }
        for (name in listOf("VideoClient", "Images", "SharedLibrary", "Generated")) {
            assertTrue("dev/reelkin/$name.kt" in sources, name)
        }
        assertFalse(sources.any { it.endsWith(".so") || it.endsWith(".dylib") })
    }

    @Test
    fun withTheOptionOfTheGuideNothingIsPrinted() {
        val options = listOf("--enable-native-access=ALL-UNNAMED")
        val output = jvm("dev.reelkin.tests.Start", options = options).redirectErrorStream(true).start().output()
        assertEquals(version(), output.trim())
    }
}
