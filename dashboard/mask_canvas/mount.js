// Loads the module of the mask canvas, which the server keeps under an address of its own, and hands over to it.
export default async function (component) {
  const { default: mount } = await import(new URL(component.data.module, window.location.origin).href);
  return mount(component);
}
