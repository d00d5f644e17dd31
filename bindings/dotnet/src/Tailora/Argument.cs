using System;

namespace Tailora;

/// <summary>Argument checks that read the same on every target.</summary>
internal static class Argument
{
    internal static void NotNull(object? value, string name)
    {
        if (value is null)
        {
            throw new ArgumentNullException(name);
        }
    }
}
