using System;
using Xunit;

namespace Tailora.Tests;

/// <summary>A test that runs where somebody asks for it.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RequestedFactAttribute : FactAttribute
{
    /// <summary>Skips, saying why, unless the variable is set.</summary>
    public RequestedFactAttribute(string variable, string why)
    {
        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable(variable)))
        {
            Skip = $"{why}: set {variable}=1";
        }
    }
}
