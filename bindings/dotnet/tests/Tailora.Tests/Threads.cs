using System;
using System.IO;
using System.Linq;

namespace Tailora.Tests;

/// <summary>This process's threads by the names that the binding gives them, where the system lists those.</summary>
internal static class Threads
{
    private const string Tasks = "/proc/self/task";
    private const int Kept = 15; // bytes of a name

    internal static bool HaveNames => Directory.Exists(Tasks);

    /// <summary>How many have this name; 0 where they have none.</summary>
    internal static int Named(string name) =>
        HaveNames ? Directory.GetDirectories(Tasks).Count(task => Name(task) == name[..Math.Min(name.Length, Kept)]) : 0;

    private static string Name(string task)
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, "comm")).TrimEnd('\n');
        }
        catch (IOException)
        {
            return ""; // it has ended meanwhile
        }
    }
}
